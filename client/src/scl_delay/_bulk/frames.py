"""Frames of pandas and polars, without importing either: what is there is used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from scl_delay._bulk.columns import AS_SENT, RESULT_COLUMNS, RESULTS, ColumnsError, schedule_columns
from scl_delay.errors import IncompleteError
from scl_delay.models import Prediction

PIECE = 5000
"""Rows that are written at once: the first request need not wait for the last row."""

Frame = TypeVar("Frame")
"""A frame of pandas or of polars; what comes out is of the kind that went in."""


def flights_of(frame: Any) -> Iterator[dict[str, Any]]:
    """Return the flights of a frame, as they are sent.

    Raises
    ------
    ColumnsError
        Where it is no frame, or columns are missing.
    """
    names = schedule_columns(column_names(frame))
    pieces = (rows(frame, start, start + PIECE) for start in range(0, height(frame), PIECE))
    return (flight for piece in pieces for flight in _flights(piece, names))


def column_names(frame: Any) -> list[str]:
    """Names of a frame's columns.

    Raises
    ------
    ColumnsError
        Where it is no frame.
    """
    if not (_is_pandas(frame) or _is_polars(frame)):
        message = (
            f"{type(frame).__name__} is no frame: pass one of pandas or polars (a LazyFrame once"
            " it is collected), or flights to predict_many"
        )
        raise ColumnsError(message)
    return [str(name) for name in frame.columns]


class Results:
    """What is said about the rows of a frame, column by column, as the answers come in.

    Objects of millions of predictions, kept all at once, would keep the garbage collector busy.
    """

    def __init__(self) -> None:
        self._columns: dict[str, list[Any]] = {name: [] for name in RESULT_COLUMNS}

    def __len__(self) -> int:
        return len(self._columns[RESULT_COLUMNS[0]])

    def add(self, predictions: Sequence[Prediction]) -> None:
        """Take the next answers."""
        for column, attribute in zip(self._columns.values(), RESULTS, strict=True):
            column += [getattr(each, attribute) for each in predictions]

    def beside(self, frame: Frame) -> Frame:
        """The frame, of as many rows, with the results' columns added, or replaced."""
        table: Any = frame
        if _is_pandas(table):
            scored: Frame = table.assign(**self._columns)
        else:
            series = [type(table[:, 0])(name, values) for name, values in self._columns.items()]
            scored = table.with_columns(series)
        return scored

    def incomplete(self, frame: Any, stopped: IncompleteError) -> IncompleteError:
        """The same event told in frames: rows that are scored, and rows that are left."""
        scored = self.beside(rows(frame, 0, len(self)))
        return stopped.with_done(scored, rows(frame, len(self)))


def height(frame: Any) -> int:
    """Number of rows."""
    return len(frame)


def rows(frame: Frame, start: int, stop: int | None = None) -> Frame:
    """Rows of a frame by their places."""
    table: Any = frame
    part: Frame = table.iloc[start:stop] if _is_pandas(table) else table[start:stop]
    return part


def _flights(frame: Any, names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    columns = [_as_sent(frame[name], english) for english, name in names.items()]
    return (dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True))


def values_of(column: Any) -> list[Any]:
    """Values of a column of a frame, of a dictionary of lists, or of any sequence."""
    values: list[Any] = column.to_list() if hasattr(column, "to_list") else list(column)
    return values


def _as_sent(column: Any, english: str) -> list[Any]:
    if english == "scheduled_departure":
        column = _as_text(column)
    write = AS_SENT[english]
    written: dict[Any, Any] = {}  # few values are different: each is written once
    return [
        written[value] if value in written else written.setdefault(value, write(value))
        for value in values_of(column)
    ]


def _as_text(times: Any) -> Any:
    """A column of times as text, which both libraries write faster than Python does."""
    kind = str(times.dtype).lower()
    if not kind.startswith("datetime"):
        return times
    has_zone = getattr(getattr(times, "dt", None), "tz", None) is not None or "time_zone='" in kind
    offset = "Z" if has_zone else ""  # the service knows its airport's clock, the client need not
    if _is_polars_column(times):
        plain = times.dt.convert_time_zone("UTC") if has_zone else times
        return plain.dt.strftime("%Y-%m-%dT%H:%M:%S" + offset)
    plain = times.dt.tz_convert("UTC").dt.tz_localize(None) if has_zone else times
    seconds = plain.astype("datetime64[s]")
    return seconds.map(lambda time: time.isoformat() + offset, na_action="ignore")


def _is_pandas(table: Any) -> bool:
    return hasattr(table, "iloc") and hasattr(table, "columns")


def _is_polars(table: Any) -> bool:
    return type(table).__module__.startswith("polars.") and hasattr(table, "rows")


def _is_polars_column(column: Any) -> bool:
    return type(column).__module__.startswith("polars.")
