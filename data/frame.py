"""Convert the file's columns of text to the typed, validated, time-ordered frame of flights."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pandas as pd
from pandera.errors import SchemaErrors

from data.airports.config import SANTIAGO, AirportConfig
from data.errors import InvalidRowsError, MissingColumnsError, NoFlightsError, Problem
from data.reference import DELAY_MINUTES
from data.schema import (
    DATE_FORMAT,
    ENGLISH,
    FRAME_COLUMNS,
    NOT_A_DATE,
    Raw,
    candidate_schema,
)

HASH_COLUMNS = (
    "scheduled_departure",
    "airline",
    "flight_number",
    "destination",
    "flight_type",
    "actual_departure",
)
"""Columns that training reads, in the order of sorting and writing for the hash."""

EXAMPLES_SHOWN = 3
LINE_OF_FIRST_ROW = 2
"""Line number in an editor: the header is line 1."""

_TIME_ORDER = [*HASH_COLUMNS[:4], "actual_departure", "file_row"]
_DATES = (Raw.SCHEDULED_DEPARTURE, Raw.ACTUAL_DEPARTURE)
_NUMBERS = (Raw.FLIGHT_NUMBER, Raw.OPERATED_FLIGHT_NUMBER)


def to_flights_frame(
    raw: pd.DataFrame, *, drop_invalid: bool = False, airport_config: AirportConfig = SANTIAGO
) -> tuple[pd.DataFrame, int]:
    """Type, check and order the rows of a file.

    Two rows with the same airline, number, destination and schedule but different operations are
    both kept: the airport recorded two departures. A row that repeats an earlier one in every
    column that is read is invalid: usually a file was concatenated with itself.

    Parameters
    ----------
    raw
        The file as read: columns of `data.schema.Raw` in any order, of text or of the types of a
        Parquet file; other columns are ignored.
    drop_invalid
        Leave invalid rows out instead of refusing the file.
    airport_config
        The airport that every flight must leave from.

    Returns
    -------
    frame
        The columns of `data.schema.FRAME_COLUMNS`, ordered by scheduled departure; ties by
        airline, flight number, destination, actual departure and place in the file.
    dropped
        Number of rows left out.

    Raises
    ------
    MissingColumnsError
        If a column is missing.
    InvalidRowsError
        If rows are invalid and `drop_invalid` is not set.
    NoFlightsError
        If no row is left.
    """
    text = _read_columns(raw)
    candidates = _typed(text)
    failures = _find_failures(candidates, airport_config)
    invalid = failures["row"].unique().tolist()
    if invalid and not drop_invalid:
        raise InvalidRowsError(list(_problems(failures, text)), len(invalid), len(text))
    valid = candidates.drop(index=invalid)
    if valid.empty:
        raise NoFlightsError(_nothing_left(len(text)))
    ordered = valid.sort_values(_TIME_ORDER, ignore_index=True)
    return ordered[list(FRAME_COLUMNS)], len(invalid)


def data_hash(frame: pd.DataFrame) -> str:
    """Return the hash of the columns that training reads, whatever the source.

    It does not depend on the order of the rows or their positions in the file, so that the flights
    up to a date have the same hash whatever follows them.

    Parameters
    ----------
    frame
        Typed frame, or rows of one.

    Returns
    -------
    str
        64 hexadecimal digits of SHA-256.
    """
    columns = list(HASH_COLUMNS)
    lines = frame[columns].sort_values(columns)
    for name in ("scheduled_departure", "actual_departure"):
        lines[name] = lines[name].astype("datetime64[s]").astype("int64")
    canonical = lines.to_csv(index=False, lineterminator="\n")
    return hashlib.sha256(canonical.encode()).hexdigest()


def _read_columns(raw: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that are used, as stripped text, with rows numbered from 0."""
    named = raw.rename(columns=lambda name: str(name).strip())
    missing = [column for column in Raw if column not in named.columns]
    if missing:
        raise MissingColumnsError(missing, map(str, raw.columns))
    columns = {column: as_text(named[column]) for column in Raw}
    return pd.DataFrame(columns).reset_index(drop=True)


def as_text(column: pd.Series[Any]) -> pd.Series[str]:
    """Convert a column of any type to stripped text; empty cells are missing."""
    # pandas would write dates that are all at midnight without the time of day
    is_date = pd.api.types.is_datetime64_dtype(column)
    text = column.dt.strftime(DATE_FORMAT) if is_date else column
    stripped = text.astype("str").str.strip()
    return stripped.mask(stripped == "")


def _typed(text: pd.DataFrame) -> pd.DataFrame:
    """Rename and type; values that cannot be typed become missing, which the schema reports."""
    columns = text.assign(
        **{date: _parse_dates(text[date]) for date in _DATES},
        **{number: _normalise_numbers(text[number]) for number in _NUMBERS},
    )
    frame = columns.rename(columns=ENGLISH)
    delay = frame["actual_departure"] - frame["scheduled_departure"]
    frame["delay_minutes"] = delay.dt.total_seconds() / 60
    frame["delayed"] = frame["delay_minutes"] > DELAY_MINUTES
    frame["repeats"] = frame.duplicated()
    frame["file_row"] = pd.RangeIndex(len(frame))
    return frame


def _parse_dates(text: pd.Series[str]) -> pd.Series[pd.Timestamp]:
    return pd.to_datetime(text, format=DATE_FORMAT, errors="coerce").astype("datetime64[s]")


def _normalise_numbers(text: pd.Series[str]) -> pd.Series[str]:
    # many tools read a column of integers with a missing one as decimals: 226 becomes 226.0
    return text.str.upper().str.replace(r"\.0+$", "", regex=True)


def _find_failures(candidates: pd.DataFrame, airport_config: AirportConfig) -> pd.DataFrame:
    """List violations of the schema: columns `row`, `column` and `check`, one line each."""
    try:
        candidate_schema(airport_config).validate(candidates, lazy=True)
    except SchemaErrors as found:
        failures: pd.DataFrame = found.failure_cases.rename(columns={"index": "row"})
        return failures.astype({"row": "int64", "column": "str", "check": "str"})
    return pd.DataFrame({"row": [], "column": [], "check": []})


def _problems(failures: pd.DataFrame, text: pd.DataFrame) -> Iterator[Problem]:
    for name, check in dict.fromkeys(zip(failures["column"], failures["check"], strict=True)):
        broken = (failures["column"] == name) & (failures["check"] == check)
        rows = failures.loc[broken, "row"].unique().tolist()
        shown = rows[:EXAMPLES_SHOWN]
        column = _shown_column(name)
        values = text[column].iloc[shown].fillna("")
        lines = (row + LINE_OF_FIRST_ROW for row in shown)
        examples = tuple(zip(lines, values, strict=True))
        yield Problem(column, _rule(column, check), len(rows), examples)


def _shown_column(name: str) -> Raw:
    """Return the file's column to show for a column of the candidates."""
    file_names = {english: raw for raw, english in ENGLISH.items()}
    shown_for = {"delay_minutes": Raw.ACTUAL_DEPARTURE, "repeats": Raw.FLIGHT_NUMBER}
    return shown_for[name] if name in shown_for else file_names[name]


def _rule(column: Raw, check: str) -> str:
    if check != "not_nullable":
        return check
    return NOT_A_DATE if column in _DATES else "missing"


def _nothing_left(rows: int) -> str:
    if rows == 0:
        return "there is a header but no flight under it."
    return f"not one of {rows:,} rows is a valid flight: nothing is left to read."
