"""Merge finished pieces into two files: scores, and rejected rows."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import IO, Protocol

import fsspec
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from score.errors import OutputError
from score.scoring import REJECT_COLUMNS, SCHEMA, Scored
from score.store import Store

REJECTS_SUFFIX = ".rejects.csv"


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts of rows: `rows` of the input are `scored` plus `rejected`."""

    rows: int = 0
    scored: int = 0
    rejected: int = 0


class Writer(Protocol):
    """Interface of a writer of tables."""

    def write_table(self, table: pa.Table) -> None:
        """Append a table."""
        ...


Opener = Callable[[IO[bytes], pa.Schema], AbstractContextManager[Writer]]


def split_name(path: str) -> tuple[str, str]:
    """Split an output's name into its stem and its ending, which gives the format.

    Raises
    ------
    OutputError
        If the ending is not .parquet, .csv or .csv.gz.
    """
    for ending in _FORMATS:
        if path.endswith(ending):
            return path.removesuffix(ending), ending
    message = f"{path}: the output's name must end in one of {', '.join(_FORMATS)}."
    raise OutputError(message)


def rejects_of(output: str) -> str:
    """Return the path of the rejects file of an output."""
    return split_name(output)[0] + REJECTS_SUFFIX


def first_reject(output: str) -> str:
    """Return the first rejected row of an output with its reason, often that of all."""
    with fsspec.open(rejects_of(output), "rt", encoding="utf-8", newline="") as stream:
        first = next(csv.DictReader(stream))
    return f"row {first['row']}, {first['reason']}"


def merge(store: Store, names: Sequence[str], model: str) -> Totals:
    """Merge pieces in order; the scores are written last.

    Returns
    -------
    Totals
        Counts from the pieces' files.
    """
    rejects = rejects_of(store.path)
    totals = _merge_rejects(store, names, rejects)
    if not totals.rejected:
        store.drop(rejects)
    opener = _FORMATS[split_name(store.path)[1]]
    schema = SCHEMA.with_metadata({"model": model})
    with store.output(store.path) as stream, opener(stream, schema) as writer:
        for piece in _pieces(store, names):
            if piece.table.num_rows:
                writer.write_table(piece.table.replace_schema_metadata(schema.metadata))
    return totals


def _merge_rejects(store: Store, names: Sequence[str], path: str) -> Totals:
    rows = scored = rejected = 0
    with store.output(path) as stream:
        stream.write(f"{','.join(REJECT_COLUMNS)}\n".encode())
        for piece in _pieces(store, names):
            rows += piece.rows
            scored += piece.table.num_rows
            rejected += piece.rejected
            stream.write(piece.rejects)
    if rows != scored + rejected:
        message = (
            f"{rows} rows read, but {scored} scored and {rejected} rejected: an internal error"
        )
        raise AssertionError(message)
    return Totals(rows, scored, rejected)


def _pieces(store: Store, names: Sequence[str]) -> Iterator[Scored]:
    for name in names:
        yield Scored.from_bytes(store.read(name))


def _parquet(stream: IO[bytes], schema: pa.Schema) -> AbstractContextManager[Writer]:
    texts = [field.name for field in schema if field.type == pa.string()]
    writer: AbstractContextManager[Writer] = pq.ParquetWriter(
        stream, schema, compression="zstd", use_dictionary=texts
    )
    return writer


def _csv(stream: IO[bytes], schema: pa.Schema) -> AbstractContextManager[Writer]:
    writer: AbstractContextManager[Writer] = arrow_csv.CSVWriter(stream, schema)
    return writer


class _GzipCsv:
    """Writer of gzip-compressed CSV; closes the CSV writer before the compressed stream."""

    def __init__(self, stream: IO[bytes], schema: pa.Schema) -> None:
        self._packed = gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=1, mtime=0)
        self._writer = arrow_csv.CSVWriter(self._packed, schema)

    def write_table(self, table: pa.Table) -> None:
        """Append a table."""
        self._writer.write_table(table)

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._writer.close()
        finally:
            self._packed.close()


_FORMATS: dict[str, Opener] = {".parquet": _parquet, ".csv": _csv, ".csv.gz": _GzipCsv}
