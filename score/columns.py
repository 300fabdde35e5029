"""Find the fields of a flight among the columns of a table, by their English or raw names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from data.schema import ENGLISH, SCHEDULE_COLUMNS
from score.errors import InputError

ORIGIN = "origin"
FIELDS = (*SCHEDULE_COLUMNS, ORIGIN)
"""Columns that are read, if the table has them."""
OPTIONAL = ("flight_type", ORIGIN)
"""Optional columns. The type follows from the destination; rows of another origin are rejected."""

SHOWN, SHOWN_LETTERS = 30, 40
"""Columns that an error lists, and characters of each, so that it fits on one line."""

_SPELLINGS = {name: name for name in FIELDS} | {
    str(raw): english for raw, english in ENGLISH.items() if english in FIELDS
}


@dataclass(frozen=True, slots=True)
class Layout:
    """Position and name of each field in the input.

    Attributes
    ----------
    position, spelling
        Index and name of the column, by field of `FIELDS`.
    """

    position: Mapping[str, int]
    spelling: Mapping[str, str]


def find_layout(columns: Sequence[str], name: str) -> Layout:
    """Find the fields among a table's columns.

    Parameters
    ----------
    columns
        Names in the input: English ones as in `data.schema.SCHEDULE_COLUMNS` and the service's
        contract, or those of dataset_SCL.csv. Others are ignored.
    name
        Name of the input in errors.

    Raises
    ------
    InputError
        If a field is missing or has two columns.
    """
    position: dict[str, int] = {}
    for at, column in enumerate(columns):
        found = _SPELLINGS.get(column.strip())
        if found is not None and position.setdefault(found, at) != at:
            message = f"{name}: has two columns for {found}: remove one of them."
            raise InputError(message)
    missing = [column for column in FIELDS if column not in {*position, *OPTIONAL}]
    if missing:
        raise InputError(_missing(missing, columns, name))
    return Layout(position, {found: columns[at].strip() for found, at in position.items()})


def known_columns(columns: Sequence[str]) -> int:
    """Return how many of the names are fields."""
    return sum(column.strip() in _SPELLINGS for column in columns)


def _missing(missing: Sequence[str], columns: Sequence[str], name: str) -> str:
    shown = " ".join(", ".join(column[:SHOWN_LETTERS] for column in columns[:SHOWN]).split())
    wanted = " ".join(
        f"{field} (or {next(raw for raw, known in ENGLISH.items() if known == field)})"
        for field in missing
    )
    return f"{name}: columns are missing: {wanted}. Found: {shown}."
