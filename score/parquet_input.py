"""Read Parquet of any size: workers read the row groups; large groups are read in parts."""

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
from score.pieces import PIECE_ROWS, LoadedRows, Piece, Rows, public_name

LARGEST_GROUP = 4 * PIECE_ROWS
"""Rows of a row group up to which every worker reads the whole group for its part."""


@dataclass(frozen=True, slots=True)
class RowGroups:
    """Row groups of a file, or a part of one; the worker that scores them reads them.

    Attributes
    ----------
    path
        Path or URL for fsspec.
    columns
        Name in the file of each field.
    groups
        Indexes of the row groups.
    start, count
        First row, from 1, and number of rows.
    skip
        Rows of the groups to skip.
    """

    path: str
    columns: Mapping[str, str]
    groups: tuple[int, ...]
    start: int
    count: int
    skip: int = 0

    def read(self) -> Rows:
        """Open the file and read the rows."""
        names = list(self.columns.values())
        with (
            _input_errors(public_name(self.path)),
            fsspec.open(self.path, "rb") as stream,
            pq.ParquetFile(stream) as file,
        ):
            table = file.read_row_groups(list(self.groups), columns=names, use_threads=False)
        part = table.slice(self.skip, self.count)
        return Rows(self.start, self.count, _named(part, self.columns))


def parquet_pieces(stream: IO[bytes], path: str, name: str) -> Iterator[Piece]:
    """Split a Parquet file into pieces.

    Parameters
    ----------
    stream
        The open file.
    path
        Path or URL of the file, for other processes.
    name
        Name of the file in errors.

    Raises
    ------
    InputError
        If it is not a Parquet file of flights.
    """
    with _input_errors(name), pq.ParquetFile(stream) as file:
        yield from _pieces(file, path, name)


def row_count(stream: IO[bytes], name: str) -> int:
    """Return the number of rows in a Parquet footer; the stream is rewound.

    Raises
    ------
    InputError
        If there is no valid footer.
    """
    with _input_errors(name):
        rows: int = pq.read_metadata(stream).num_rows
    stream.seek(0)
    return rows


@contextmanager
def _input_errors(name: str) -> Iterator[None]:
    """Raise errors of Arrow as `InputError`."""
    try:
        yield
    except (pa.ArrowException, OSError) as failure:
        message = f"{name}: its Parquet data is damaged or truncated ({failure})."
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
) -> Iterator[RowGroups | LoadedRows]:
    start = 1
    for groups, rows in _runs(file):
        if rows <= LARGEST_GROUP:
            for skip, count in _parts(rows):
                yield RowGroups(path, columns, groups, start, count, skip)
                start += count
            continue
        for batch in file.iter_batches(PIECE_ROWS, groups, list(columns.values())):
            table = _named(pa.Table.from_batches([batch]), columns)
            yield LoadedRows(Rows(start, table.num_rows, table))
            start += table.num_rows


def _parts(rows: int) -> Iterator[tuple[int, int]]:
    """Split a row group evenly; reading it again costs 1 % of scoring a part of it."""
    parts = -(-rows // PIECE_ROWS)
    bounds = [rows * part // parts for part in range(parts + 1)]
    yield from ((first, last - first) for first, last in pairwise(bounds))


def _runs(file: pq.ParquetFile) -> Iterator[tuple[tuple[int, ...], int]]:
    """Yield adjacent row groups that form a piece, and their number of rows."""
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
    """Return the needed columns, named by their fields."""
    return table.select(list(columns.values())).rename_columns(list(columns))
