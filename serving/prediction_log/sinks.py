"""Sinks of the prediction log: standard output, Parquet files, or a database.

pyarrow and SQLAlchemy are imported only where their sink is chosen: the default service installs
neither (dependency group `watch`).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from serving.settings import OFF, PARQUET, STDOUT

if TYPE_CHECKING:
    from serving.prediction_log.record import Record

PARTS = ".predictions-"
"""Prefix of files that are being written; they end in `.part`, so `*.parquet` skips them."""
STALE_SECONDS = 3600.0

_WHOLE_PIPE_WRITE = 4096
"""PIPE_BUF of POSIX: shorter writes to a pipe are atomic, so lines of workers do not mix."""


class Sink(Protocol):
    """Sink that writes batches of records.

    Attributes
    ----------
    rows, seconds
        A batch is written when it has so many records, or when its first is so old.
    """

    rows: int
    seconds: float

    def write(self, batch: Sequence[Record]) -> None:
        """Write the whole batch or nothing; may block, and may raise anything."""
        ...


def open_sink(setting: str, seconds: float) -> Sink | None:
    """Open the sink of a checked setting; return ``None`` where the log is off."""
    kind, _, where = setting.partition(":")
    if kind == OFF:
        return None
    if kind == STDOUT:
        return StdoutSink()
    return ParquetSink(Path(where), seconds) if kind == PARQUET else SqlSink(where)


def _engine(address: str) -> Any:
    """Return SQLAlchemy's engine, which connects at the first write."""
    import sqlalchemy  # noqa: PLC0415 - see the module

    # pre-ping: a connection that the database has closed is replaced before use
    return sqlalchemy.create_engine(address, pool_size=1, pool_pre_ping=True)


class StdoutSink:
    """Sink that writes JSON lines to standard output, in the format of Cloud Logging."""

    rows = 256
    seconds = 0.5

    def __init__(self, descriptor: int = 1) -> None:
        self._descriptor = descriptor

    def write(self, batch: Sequence[Record]) -> None:
        """See `Sink.write`."""
        held = b""
        for line in map(_line, batch):
            if len(held) + len(line) > _WHOLE_PIPE_WRITE:
                self._put(held)
                held = b""
            held += line
        self._put(held)

    def _put(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._descriptor, data) :]


class ParquetSink:
    """Sink that writes Parquet files, each renamed into place once it is complete and synced."""

    rows = 50_000

    def __init__(self, folder: Path, seconds: float) -> None:
        # a slow import: done at start, not at the first prediction
        self._parquet = import_module("pyarrow.parquet")
        self._folder = folder
        self.seconds = seconds
        self._swept = False

    def write(self, batch: Sequence[Record]) -> None:
        """See `Sink.write`."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._sweep()
        # the id of the first record makes the name unique
        name = f"{batch[0].time:%Y%m%dT%H%M%S}-{batch[0].id}.parquet"
        part = self._folder / f"{PARTS}{name}.part"
        with part.open("wb") as file:
            self._parquet.write_table(_table(batch), file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        part.rename(self._folder / f"predictions-{name}")

    def _sweep(self) -> None:
        """Remove, once, unfinished files of processes that were killed."""
        if self._swept:
            return
        self._swept = True
        for part in self._folder.glob(f"{PARTS}*"):
            if part.stat().st_mtime < time.time() - STALE_SECONDS:
                part.unlink(missing_ok=True)


class SqlSink:
    """Sink that writes to a table `predictions` of any database that SQLAlchemy supports."""

    rows = 1000
    seconds = 1.0

    def __init__(self, address: str) -> None:
        from serving.prediction_log.table import predictions  # noqa: PLC0415 - see the module

        self._table = predictions
        self._engine = _engine(address)
        self._made = False

    def write(self, batch: Sequence[Record]) -> None:
        """See `Sink.write`."""
        rows = [record._asdict() for record in batch]
        with self._engine.begin() as connection:
            if not self._made:
                self._table.metadata.create_all(connection)
            connection.execute(self._table.insert(), rows)
        self._made = True

    def close(self) -> None:
        """Close the connection."""
        self._engine.dispose()


def _line(record: Record) -> bytes:
    line = {"severity": "INFO", "message": "prediction", **record._asdict()}
    return (json.dumps(line, default=datetime.isoformat) + "\n").encode()


def _table(batch: Sequence[Record]) -> Any:
    import pyarrow as pa  # noqa: PLC0415 - see the module

    types = {
        "time": pa.timestamp("us", "UTC"),
        "position": pa.int32(),
        "scheduled_departure": pa.timestamp("s"),
        "with_airport": pa.bool_(),
        "probability": pa.float64(),
    }
    schema = pa.schema([(name, types.get(name, pa.string())) for name in batch[0]._fields])
    columns = zip(*batch, strict=True)
    return pa.table(
        [pa.array(c, field.type) for c, field in zip(columns, schema, strict=True)], schema=schema
    )
