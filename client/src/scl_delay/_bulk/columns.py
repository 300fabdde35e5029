"""Columns of a table of flights, with their English names or those of dataset_SCL.csv."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

from scl_delay._transport.constants import RAW_ACTUAL_DEPARTURE, RAW_COLUMNS, SCHEDULE_COLUMNS

OPTIONAL = "flight_type"
"""The service derives a missing flight type from the destination."""
RESULTS = ("probability", "delayed", "risk")
RESULT_COLUMNS = ("delay_probability", "delayed", "risk")
"""Names of the columns that hold `RESULTS`."""

_decimals = re.compile(r"\.0+$")


class ColumnsError(ValueError):
    """Error for a table without the needed columns; the message lists them."""


def schedule_columns(names: Collection[str]) -> dict[str, str]:
    """Find the columns of the schedule; no other column is sent.

    Returns
    -------
    The table's column by its English name; `flight_type` may be missing.

    Raises
    ------
    ColumnsError
        If the table has neither name of a column.
    """
    found = {}
    raw = {english: name for name, english in RAW_COLUMNS.items()}
    for english in SCHEDULE_COLUMNS:
        name = next((name for name in (english, raw[english]) if name in names), None)
        if name is not None:
            found[english] = name
        elif english != OPTIONAL:
            raise _missing(english, raw[english], names)
    return found


def operation_columns(names: Collection[str]) -> tuple[str, str]:
    """Return the names of the columns of scheduled and actual departure.

    Raises
    ------
    ColumnsError
        If the table has neither name of one of them.
    """
    scheduled = next(name for name, english in RAW_COLUMNS.items() if "scheduled" in english)
    pairs = (("scheduled_departure", scheduled), ("actual_departure", RAW_ACTUAL_DEPARTURE))
    found = []
    for pair in pairs:
        name = next((name for name in pair if name in names), None)
        if name is None:
            raise _missing(*pair, names)
        found.append(name)
    return found[0], found[1]


def is_missing(value: Any) -> bool:
    """Whether the value is None, NaN or NaT."""
    return value is None or bool(value != value)  # noqa: PLR0124 - NaN and NaT differ from themselves


def number_text(value: Any) -> str:
    """Return a flight number as text; tables often hold 226.0, which becomes 226."""
    return "" if is_missing(value) else _decimals.sub("", str(value).strip().upper())


def code_text(value: Any) -> str:
    """Return a code as text, empty if it is missing."""
    return "" if is_missing(value) else str(value).strip()


def type_text(value: Any) -> str | None:
    """Return a flight type as text, or None if it is missing."""
    return code_text(value) or None


def time_text(value: Any) -> str:
    """Return a time as text, empty if it is missing."""
    return value.isoformat() if isinstance(value, datetime) else code_text(value)


FORMATTERS: dict[str, Callable[[Any], str | None]] = {
    "airline": code_text,
    "flight_number": number_text,
    "destination": code_text,
    "scheduled_departure": time_text,
    "flight_type": type_text,
}
"""Function that formats a value of each column for a request."""


def _missing(english: str, raw: str, names: Collection[str]) -> ColumnsError:
    found = ", ".join(map(str, names)) or "none"
    return ColumnsError(f"no column {english!r} (or {raw!r}); columns found: {found}")
