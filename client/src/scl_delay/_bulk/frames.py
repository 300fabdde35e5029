"""Read and extend frames of pandas and polars without importing either library."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

from scl_delay._bulk.columns import (
    FORMATTERS,
    RESULT_COLUMNS,
    RESULTS,
    ColumnsError,
    schedule_columns,
)
from scl_delay.errors import IncompleteError
from scl_delay.models import Prediction

PIECE = 5000
"""Rows that are converted at once, so that the first request starts before the last row."""

Frame = TypeVar("Frame")
"""A frame of pandas or polars; a function returns the type that it is given."""


def flights_of(frame: Any) -> Iterator[dict[str, Any]]:
    """Return the flights of a frame as dictionaries for requests.

    Raises
    ------
    ColumnsError
        If it is not a frame, or columns are missing.
    """
    names = schedule_columns(column_names(frame))
    pieces = (rows(frame, start, start + PIECE) for start in range(0, height(frame), PIECE))
    return (flight for piece in pieces for flight in _flights(piece, names))


def column_names(frame: Any) -> list[str]:
    """Return the names of a frame's columns.

    Raises
    ------
    ColumnsError
        If it is not a frame.
    """
    if not (_is_pandas(frame) or _is_polars(frame)):
        message = (
            f"{type(frame).__name__} is not a frame: pass a pandas or polars DataFrame (collect a"
            " LazyFrame first), or pass flights to predict_many"
        )
        raise ColumnsError(message)
    return [str(name) for name in frame.columns]


class Results:
    """Collector of predictions as columns of a frame.

    Columns of values instead of millions of `Prediction` objects keep garbage collection cheap.
    """

    def __init__(self) -> None:
        self._columns: dict[str, list[Any]] = {name: [] for name in RESULT_COLUMNS}

    def __len__(self) -> int:
        return len(self._columns[RESULT_COLUMNS[0]])

    def add(self, predictions: Sequence[Prediction]) -> None:
        """Append the next predictions."""
        for column, attribute in zip(self._columns.values(), RESULTS, strict=True):
            column += [getattr(each, attribute) for each in predictions]

    def beside(self, frame: Frame) -> Frame:
        """Return the frame with the columns of the results; it has as many rows as results."""
        table: Any = frame
        if _is_pandas(table):
            scored: Frame = table.assign(**self._columns)
        else:
            series = [type(table[:, 0])(name, values) for name, values in self._columns.items()]
            scored = table.with_columns(series)
        return scored

    def incomplete(self, frame: Any, stopped: IncompleteError) -> IncompleteError:
        """Return the error with the scored and the remaining rows as frames."""
        scored = self.beside(rows(frame, 0, len(self)))
        return stopped.with_done(scored, rows(frame, len(self)))


def height(frame: Any) -> int:
    """Return the number of rows."""
    return len(frame)


def rows(frame: Frame, start: int, stop: int | None = None) -> Frame:
    """Return rows of a frame by position."""
    table: Any = frame
    part: Frame = table.iloc[start:stop] if _is_pandas(table) else table[start:stop]
    return part


def _flights(frame: Any, names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    columns = [_formatted(frame[name], english) for english, name in names.items()]
    return (dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True))


def values_of(column: Any) -> list[Any]:
    """Return the values of a column of a frame, or of any iterable."""
    values: list[Any] = column.to_list() if hasattr(column, "to_list") else list(column)
    return values


def _formatted(column: Any, english: str) -> list[Any]:
    if english == "scheduled_departure":
        column = _as_text(column)
    # Columns have few distinct values, so each is formatted once.
    text_of = cache(FORMATTERS[english])
    return [text_of(value) for value in values_of(column)]


def _as_text(times: Any) -> Any:
    """Return a column of times as text, formatted by its library, which is faster than Python."""
    kind = str(times.dtype).lower()
    if not kind.startswith("datetime"):
        return times
    has_zone = getattr(getattr(times, "dt", None), "tz", None) is not None or "time_zone='" in kind
    offset = "Z" if has_zone else ""  # the service converts UTC to local time
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
