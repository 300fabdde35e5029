"""Which of a table's columns say what: the house's and the contract's names, or the file's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from data.schema import ENGLISH, SCHEDULE_COLUMNS
from score.errors import InputError

ORIGIN = "origin"
FIELDS = (*SCHEDULE_COLUMNS, ORIGIN)
"""What is read of a table, where it has it."""
OPTIONAL = ("flight_type", ORIGIN)
"""The type follows from the destination; an origin is only looked at to refuse other airports."""

SHOWN, SHOWN_LETTERS = 30, 40
"""Columns that an error lists, and letters of each: it stays one line."""

_SPELLINGS = {name: name for name in FIELDS} | {
    str(raw): english for raw, english in ENGLISH.items() if english in FIELDS
}


@dataclass(frozen=True, slots=True)
class Layout:
    """Position and name in the input of each field that it has.

    Attributes
    ----------
    position, spelling
        By field of `FIELDS`.
    """

    position: Mapping[str, int]
    spelling: Mapping[str, str]


def find_layout(columns: Sequence[str], name: str) -> Layout:
    """Find the fields among the names of a table's columns.

    Parameters
    ----------
    columns
        As the input spells them: English names as in `data.schema.SCHEDULE_COLUMNS` and in the
        service's contract, or those of dataset_SCL.csv. Others are ignored.
    name
        What to call the input in errors.

    Raises
    ------
    InputError
        Where a field is missing or there twice.
    """
    position: dict[str, int] = {}
    for at, column in enumerate(columns):
        found = _SPELLINGS.get(column.strip())
        if found is not None and position.setdefault(found, at) != at:
            message = f"{name}: has two columns for {found}: leave one of them out."
            raise InputError(message)
    missing = [column for column in FIELDS if column not in {*position, *OPTIONAL}]
    if missing:
        raise InputError(_missing(missing, columns, name))
    return Layout(position, {found: columns[at].strip() for found, at in position.items()})


def known_columns(columns: Sequence[str]) -> int:
    """How many of these names are names of fields."""
    return sum(column.strip() in _SPELLINGS for column in columns)


def _missing(missing: Sequence[str], columns: Sequence[str], name: str) -> str:
    shown = " ".join(", ".join(column[:SHOWN_LETTERS] for column in columns[:SHOWN]).split())
    wanted = " ".join(
        f"{field} (or {next(raw for raw, known in ENGLISH.items() if known == field)})"
        for field in missing
    )
    return f"{name}: columns are missing: {wanted}. Found: {shown}."
