"""Parquet of any size: row groups are read where they are scored, large ones part by part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import IO

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from score.columns import find_layout
from score.errors import InputError
from score.pieces import PIECE_ROWS, Held, Piece, Rows, public_name

LARGEST_GROUP = 4 * PIECE_ROWS
"""Rows up to which a row group is read at once, by each who scores a part of it."""


@dataclass(frozen=True, slots=True)
class RowGroups:
    """Row groups of a file, or a part of one, read by whoever scores them.

    Attributes
    ----------
    path
        For fsspec.
    columns
        Name in the file of each field.
    groups
        Their positions in the file.
    start, count
        First row, from 1, and number of rows.
    skip
        Rows of the groups before the first one.
    """

    path: str
    columns: Mapping[str, str]
    groups: tuple[int, ...]
    start: int
    count: int
    skip: int = 0

    def read(self) -> Rows:
        """Open the file anew and read them."""
        names = list(self.columns.values())
        with (
            _told(public_name(self.path)),
            fsspec.open(self.path, "rb") as stream,
            pq.ParquetFile(stream) as file,
        ):
            table = file.read_row_groups(list(self.groups), columns=names, use_threads=False)
        part = table.slice(self.skip, self.count)
        return Rows(self.start, self.count, _named(part, self.columns))


def parquet_pieces(stream: IO[bytes], path: str, name: str) -> Iterator[Piece]:
    """Cut a Parquet file into pieces.

    Parameters
    ----------
    stream
        The file, open.
    path
        The same file for another process.
    name
        What to call it in errors.

    Raises
    ------
    InputError
        Where it is no Parquet file of flights.
    """
    with _told(name), pq.ParquetFile(stream) as file:
        yield from _pieces(file, path, name)


def row_count(stream: IO[bytes], name: str) -> int:
    """Rows of a Parquet file, by its footer; the stream is left at its beginning.

    Raises
    ------
    InputError
        Where there is none.
    """
    with _told(name):
        rows: int = pq.read_metadata(stream).num_rows
    stream.seek(0)
    return rows


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Put what Arrow says against a file into a sentence."""
    try:
        yield
    except (pa.ArrowException, OSError) as failure:
        message = f"{name}: its Parquet data is damaged or ends in the middle ({failure})."
        raise InputError(message) from failure


def _pieces(file: pq.ParquetFile, path: str, name: str) -> Iterator[Piece]:
    names = file.schema_arrow.names
    layout = find_layout(names, name)
    columns = {field: names[position] for field, position in layout.position.items()}
    total = file.metadata.num_rows
    start = 1
    for number, source in enumerate(_sources(file, path, columns)):
        start += source.count
        yield Piece(number, source.count, source, (start - 1) / total)


def _sources(
    file: pq.ParquetFile, path: str, columns: Mapping[str, str]
) -> Iterator[RowGroups | Held]:
    start = 1
    for groups, rows in _runs(file):
        if rows <= LARGEST_GROUP:
            for skip, count in _parts(rows):
                yield RowGroups(path, columns, groups, start, count, skip)
                start += count
            continue
        for batch in file.iter_batches(PIECE_ROWS, groups, list(columns.values())):
            table = _named(pa.Table.from_batches([batch]), columns)
            yield Held(Rows(start, table.num_rows, table))
            start += table.num_rows


def _parts(rows: int) -> Iterator[tuple[int, int]]:
    """Cut a row group evenly: to read it once more costs a hundredth of scoring a part of it."""
    parts = -(-rows // PIECE_ROWS)
    bounds = [rows * part // parts for part in range(parts + 1)]
    yield from ((first, last - first) for first, last in pairwise(bounds))


def _runs(file: pq.ParquetFile) -> Iterator[tuple[tuple[int, ...], int]]:
    """Neighbouring row groups that make a piece together, and how many rows they have."""
    groups: tuple[int, ...] = ()
    rows = 0
    for group in range(file.num_row_groups):
        more = file.metadata.row_group(group).num_rows
        if groups and rows + more > PIECE_ROWS:
            yield groups, rows
            groups, rows = (), 0
        groups, rows = (*groups, group), rows + more
    if rows:
        yield groups, rows


def _named(table: pa.Table, columns: Mapping[str, str]) -> pa.Table:
    """Only the wanted columns, by the names of their fields."""
    return table.select(list(columns.values())).rename_columns(list(columns))
