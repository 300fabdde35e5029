"""Score one piece: the service's prediction for valid rows, a reason for the others."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO, StringIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from data.dictionary_column import DictionaryColumn, pairs
from data.flights import Flights, IntArray
from model.inference.decision import RISK_NAMES
from model.inference.predictor import Predictor
from score.pieces import Rows
from score.validation import texts, validate

BATCH_ROWS = 4096
"""Flights per feature matrix, so that the matrix fits into the CPU cache."""

SCHEMA = pa.schema(
    {
        "row": pa.int64(),
        "airline": pa.string(),
        "flight_number": pa.string(),
        "destination": pa.string(),
        "scheduled_departure": pa.timestamp("s"),
        "flight_type": pa.string(),
        "probability": pa.float64(),
        "delayed": pa.bool_(),
        "risk": pa.string(),
        "unknown": pa.string(),
    }
)
"""Columns of the output: row of the input, parsed flight, prediction."""
REJECT_COLUMNS = ("row", "reason", "record")

_ROWS, _REJECTED, _REJECTS = b"rows", b"rejected", b"rejects"

Probabilities = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scored:
    """Result of a piece.

    Attributes
    ----------
    table
        Scored rows with the columns of `SCHEMA`, in the order of the input.
    rows, rejected
        Number of rows read, and of those rejected.
    rejects
        CSV lines with `REJECT_COLUMNS`, without a header, one per rejected row.
    """

    table: pa.Table
    rows: int
    rejected: int
    rejects: bytes

    def to_bytes(self) -> bytes:
        """Return the result as one Arrow stream, so that a single file holds all of it."""
        facts = {
            _ROWS: str(self.rows).encode(),
            _REJECTED: str(self.rejected).encode(),
            _REJECTS: self.rejects,
        }
        table = self.table.replace_schema_metadata(facts)
        out = BytesIO()
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with pa.ipc.new_stream(out, table.schema, options=options) as writer:
            writer.write_table(table)
        return out.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Scored:
        """Parse the output of `to_bytes`."""
        table = pa.ipc.open_stream(content).read_all()
        facts = table.schema.metadata
        return cls(
            table=table.replace_schema_metadata(None),
            rows=int(facts[_ROWS]),
            rejected=int(facts[_REJECTED]),
            rejects=facts[_REJECTS],
        )


def score_rows(rows: Rows, predictor: Predictor) -> Scored:
    """Score the rows of a piece.

    Raises
    ------
    score.errors.InputError
        If a column's type cannot be read as text or time.
    """
    validated = validate(rows.table, predictor.builder.airport_config)
    numbers = rows.numbers
    table = _table(numbers[validated.valid], validated.flights, predictor)
    invalid = np.flatnonzero(~validated.valid)
    rejects = [
        *((m.row, m.reason, m.text) for m in rows.malformed),
        *zip(
            numbers[invalid].tolist(),
            validated.reasons,
            _records(rows.table, invalid),
            strict=True,
        ),
    ]
    return Scored(table, rows.count, len(rejects), _lines(rejects))


def probabilities(flights: Flights, predictor: Predictor) -> Probabilities:
    """Return the probability of each flight, shape ``(n,)``."""
    found = np.empty(len(flights))
    for start in range(0, len(flights), BATCH_ROWS):
        stop = start + BATCH_ROWS
        found[start:stop] = predictor.score(flights.slice(start, stop))
    return found


def _table(numbers: IntArray, flights: Flights, predictor: Predictor) -> pa.Table:
    probability = probabilities(flights, predictor)
    decision = predictor.decision
    departure = (flights.departure * 60).astype("datetime64[s]")
    return pa.table(
        {
            "row": numbers,
            "airline": _texts(flights.airline),
            "flight_number": _texts(flights.flight_number),
            "destination": _texts(flights.destination),
            "scheduled_departure": departure,
            "flight_type": _texts(flights.flight_type),
            "probability": probability,
            "delayed": decision.delayed(probability),
            "risk": _texts(DictionaryColumn(decision.band(probability), RISK_NAMES)),
            "unknown": _texts(_unknown(flights, predictor)),
        },
        schema=SCHEMA,
    )


def _unknown(flights: Flights, predictor: Predictor) -> Sequence[str]:
    """Return the fields with values unknown to training; found once per distinct pair."""
    distinct = DictionaryColumn.of(pairs(flights.airline, flights.destination))
    first = np.zeros(len(distinct.values), dtype=np.int64)
    first[distinct.code[::-1]] = np.arange(len(distinct))[::-1]
    names = map(",".join, predictor.builder.unknown(flights.pick(first)))
    return DictionaryColumn(distinct.code, list(names))


def _texts(column: Sequence[str | None]) -> pa.Array:
    """Return a column of text; each distinct value of a `DictionaryColumn` is converted once."""
    if isinstance(column, DictionaryColumn):
        return pa.array(column.values, pa.string()).take(pa.array(column.code))
    return pa.array(column, pa.string())


def _records(table: pa.Table, rows: IntArray) -> list[str]:
    """Return each row's columns in the input as a JSON object."""
    if not len(rows):
        return []
    chosen = table.take(pa.array(rows))
    columns = {name: texts(chosen[name]) for name in chosen.column_names}
    values = zip(*columns.values(), strict=True)
    return [json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False) for row in values]


def _lines(rejects: list[tuple[int, str, str]]) -> bytes:
    out = StringIO()
    csv.writer(out, lineterminator="\n").writerows(sorted(rejects))
    return out.getvalue().encode(errors="replace")
