"""Open an input: CSV, gzip-compressed CSV or Parquet, at a path or in a bucket."""

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
    """Input file or object that exists.

    Attributes
    ----------
    path
        Path or URL for fsspec.
    size
        Bytes; 0 if unknown.
    version
        Value that changes with the content.
    rows
        Number of rows; None if it is not known before reading.
    """

    path: str
    size: int
    version: str
    rows: int | None

    @property
    def name(self) -> str:
        """Return the name for messages, without passwords or signatures."""
        return public_name(self.path)

    def pieces(self) -> Iterator[Piece]:
        """Yield the pieces in order.

        Raises
        ------
        InputError
            If it is not a table of flights, or is truncated.
        """
        with _opened(self.path, self.name) as stream:
            if self.rows is None:
                yield from csv_pieces(stream, self.size, self.name)
            else:
                yield from parquet_pieces(stream, self.path, self.name)


def find_input(path: str) -> Input:
    """Return the input at a path or URL.

    Raises
    ------
    InputError
        If it does not exist, is a folder, or cannot be read.
    """
    name = public_name(path)
    with _opened(path, name) as stream:
        is_parquet = stream.read(len(PARQUET_MAGIC)) == PARQUET_MAGIC
        stream.seek(0)
        rows = row_count(stream, name) if is_parquet else None
    system, inner = url_to_fs(path)
    return Input(path, int(system.info(inner).get("size") or 0), str(system.ukey(inner)), rows)


def same_file(path: str, other: str) -> bool:
    """Whether two paths or URLs are the same file or object; links are followed.

    For a chained URL such as ``zip://a.csv::b.zip`` the last part is compared, because a writer
    would replace it.
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
    except Exception as failure:  # each storage client has its own exceptions
        message = f"{name}: cannot be read ({type(failure).__name__}: {failure})."
        raise InputError(message) from failure
    with stream:
        yield stream
