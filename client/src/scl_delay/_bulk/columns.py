"""Columns of a table of flights, under their English names or those of dataset_SCL.csv."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

from scl_delay._transport.constants import RAW_ACTUAL_DEPARTURE, RAW_COLUMNS, SCHEDULE_COLUMNS

OPTIONAL = "flight_type"
"""Where it is missing the service derives it from the destination."""
RESULTS = ("probability", "delayed", "risk")
RESULT_COLUMNS = ("delay_probability", "delayed", "risk")
"""Names under which a prediction's `RESULTS` are put beside a flight."""

_decimals = re.compile(r"\.0+$")


class ColumnsError(ValueError):
    """A table lacks columns, or is no table; its text says what is needed."""


def schedule_columns(names: Collection[str]) -> dict[str, str]:
    """Find the columns of the schedule, and only those: outcomes are never sent.

    Returns
    -------
    The table's name of each, by the English one; `flight_type` may be missing.

    Raises
    ------
    ColumnsError
        Where a column is missing under both names.
    """
    found = {}
    raw = {english: name for name, english in RAW_COLUMNS.items()}
    for english in SCHEDULE_COLUMNS:
        name = next((name for name in (english, raw[english]) if name in names), None)
        if name is not None:
            found[english] = name
        elif english != OPTIONAL:
            message = f"no column {english!r} (or {raw[english]!r}); there is: {_listed(names)}"
            raise ColumnsError(message)
    return found


def operation_columns(names: Collection[str]) -> tuple[str, str]:
    """Names of the columns of scheduled and actual departure.

    Raises
    ------
    ColumnsError
        Where one is missing under both names.
    """
    scheduled = next(name for name, english in RAW_COLUMNS.items() if "scheduled" in english)
    pairs = (("scheduled_departure", scheduled), ("actual_departure", RAW_ACTUAL_DEPARTURE))
    found = [next((name for name in pair if name in names), None) for pair in pairs]
    for (english, raw), name in zip(pairs, found, strict=True):
        if name is None:
            message = f"no column {english!r} (or {raw!r}); there is: {_listed(names)}"
            raise ColumnsError(message)
    return str(found[0]), str(found[1])


def is_missing(value: Any) -> bool:
    """Whether it is None, or one of those that do not equal themselves: NaN, NaT."""
    return value is None or bool(value != value)  # noqa: PLR0124 - that is what tells them


def number_text(value: Any) -> str:
    """A flight number as it is sent; 226.0, as tables often have it, is 226."""
    return "" if is_missing(value) else _decimals.sub("", str(value).strip().upper())


def code_text(value: Any) -> str:
    """A code as it is sent."""
    return "" if is_missing(value) else str(value).strip()


def type_text(value: Any) -> str | None:
    """A flight type as it is sent: None where it is missing."""
    return code_text(value) or None


def time_text(value: Any) -> str:
    """A time as it is sent."""
    return value.isoformat() if isinstance(value, datetime) else code_text(value)


AS_SENT: dict[str, Callable[[Any], str | None]] = {
    "airline": code_text,
    "flight_number": number_text,
    "destination": code_text,
    "scheduled_departure": time_text,
    "flight_type": type_text,
}
"""How a value of each column is written."""


def _listed(names: Collection[str]) -> str:
    return ", ".join(map(str, names)) or "none at all"
