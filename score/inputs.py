"""Opens an input, by what its bytes are: CSV, gzip or not, or Parquet; a path or a bucket."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import fsspec
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from data.read_table import PARQUET_MAGIC
from score.csv_input import csv_pieces
from score.errors import InputError
from score.parquet_input import parquet_pieces, row_count
from score.pieces import Piece, public_name


@dataclass(frozen=True, slots=True)
class Input:
    """An input that is there.

    Attributes
    ----------
    path
        For fsspec.
    size
        Bytes; 0 where nobody knows.
    version
        Changes when its content does.
    rows
        How many it has, where that is known without reading it.
    """

    path: str
    size: int
    version: str
    rows: int | None

    @property
    def name(self) -> str:
        """What to call it, without passwords or signatures."""
        return public_name(self.path)

    def pieces(self) -> Iterator[Piece]:
        """Cut it into pieces, in order.

        Raises
        ------
        InputError
            Where it is no table of flights, or ends in the middle.
        """
        with _opened(self.path, self.name) as stream:
            if self.rows is None:
                yield from csv_pieces(stream, self.size, self.name)
            else:
                yield from parquet_pieces(stream, self.path, self.name)


def find_input(path: str) -> Input:
    """Look whether an input is there, and what it is.

    Raises
    ------
    InputError
        Where it is not, or is a folder, or may not be read.
    """
    name = public_name(path)
    with _opened(path, name) as stream:
        is_parquet = stream.read(len(PARQUET_MAGIC)) == PARQUET_MAGIC
        stream.seek(0)
        rows = row_count(stream, name) if is_parquet else None
    system, inner = url_to_fs(path)
    return Input(path, int(system.info(inner).get("size") or 0), str(system.ukey(inner)), rows)


def same_file(path: str, other: str) -> bool:
    """Tell whether two paths or addresses lead to one file or object, through links too.

    Of a chained address such as ``zip://a.csv::b.zip`` the last part counts: it is what a writer
    would replace.
    """
    (system, inner), (other_system, other_inner) = (
        url_to_fs(each.rpartition("::")[2]) for each in (path, other)
    )
    if isinstance(system, LocalFileSystem) and isinstance(other_system, LocalFileSystem):
        one, two = Path(inner), Path(other_inner)
        return one.exists() and two.exists() and one.samefile(two)
    same_system = type(system) is type(other_system)
    return same_system and posixpath.normpath(inner) == posixpath.normpath(other_inner)


@contextmanager
def _opened(path: str, name: str) -> Iterator[IO[bytes]]:
    try:
        stream = fsspec.open(path, "rb").open()
    except FileNotFoundError as failure:
        message = f"{name}: there is no such file or object."
        raise InputError(message) from failure
    except Exception as failure:  # each bucket's client has exceptions of its own
        message = f"{name}: cannot be read ({type(failure).__name__}: {failure})."
        raise InputError(message) from failure
    with stream:
        yield stream
