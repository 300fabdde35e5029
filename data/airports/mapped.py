"""Convert another airport's table to the columns of this project, by its mapping."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from data.airports.mapping import IATA, ColumnMapping
from data.errors import InvalidRowsError, MissingColumnsError, NoFlightsError, Problem
from data.frame import LINE_OF_FIRST_ROW, as_text, to_flights_frame
from data.reference import icao_by_iata
from data.schema import DATE_FORMAT, NOT_A_DATE, Raw

logger = logging.getLogger(__name__)

_DATES = (Raw.SCHEDULED_DEPARTURE, Raw.ACTUAL_DEPARTURE)
_AIRPORTS = (Raw.ORIGIN, Raw.DESTINATION)


def to_mapped_frame(
    table: pd.DataFrame, mapping: ColumnMapping, *, drop_invalid: bool = False
) -> tuple[pd.DataFrame, int]:
    """Type, check and order the rows of another airport's file.

    Rows that the mapping leaves out (flights that never left, other origins) are logged and are
    not counted as dropped.

    Parameters
    ----------
    table
        The file as read, with the columns that the mapping names; others are ignored.
    drop_invalid
        Leave invalid rows out instead of refusing the file.

    Returns
    -------
    frame, dropped
        As of `data.frame.to_flights_frame`.

    Raises
    ------
    data.errors.ContentError
        As `data.frame.to_flights_frame`, with the file's own column names and lines.
    """
    raw = _translated(_named(table, mapping), mapping)
    kept = np.flatnonzero(_kept(raw, mapping))
    config = mapping.airport_config
    if not len(kept):
        message = f"not one of {len(raw):,} rows is a flight that left {config.airport}."
        raise NoFlightsError(message)
    try:
        frame, dropped = to_flights_frame(
            raw.iloc[kept], drop_invalid=drop_invalid, airport_config=config
        )
    except InvalidRowsError as error:
        problems = [_in_file_terms(problem, mapping, kept) for problem in error.problems]
        raise InvalidRowsError(problems, error.invalid, error.total) from None
    return frame.assign(file_row=kept[frame["file_row"].to_numpy()]), dropped


def _named(table: pd.DataFrame, mapping: ColumnMapping) -> pd.DataFrame:
    """Return the mapped columns as stripped text, named as in `data.schema.Raw`."""
    named = table.rename(columns=lambda name: str(name).strip())
    missing = [column for column in mapping.columns.values() if column not in named.columns]
    if missing:
        raise MissingColumnsError(missing, map(str, table.columns))
    columns = {raw.value: as_text(named[name]) for raw, name in mapping.columns.items()}
    return pd.DataFrame(columns).reset_index(drop=True)


def _translated(raw: pd.DataFrame, mapping: ColumnMapping) -> pd.DataFrame:
    """Rewrite the values in the format of Santiago's file; unknown values stay unchanged."""
    text: dict[str, Any] = {each.value: raw.get(each.value) for each in Raw}
    for date in _DATES:
        text[date] = _iso(raw[date], mapping.date_format)
    if mapping.airport_codes == IATA:
        icao = icao_by_iata()
        for column in _AIRPORTS:
            if column in raw:
                text[column] = raw[column].map(lambda code: icao.get(code, code))
    airlines = mapping.airlines
    text[Raw.AIRLINE] = raw[Raw.AIRLINE].map(lambda code: airlines.get(code, code))
    translated = pd.DataFrame(text, index=raw.index)
    if Raw.ORIGIN not in mapping.columns:
        translated[Raw.ORIGIN] = mapping.airport_config.airport
    if Raw.FLIGHT_TYPE not in mapping.columns:
        destination = translated[Raw.DESTINATION].fillna("")
        translated[Raw.FLIGHT_TYPE] = destination.map(mapping.airport_config.type_of)
    return translated


def _iso(dates: pd.Series[Any], date_format: str) -> pd.Series[Any]:
    if date_format == DATE_FORMAT:
        return dates
    read = pd.to_datetime(dates, format=date_format, errors="coerce")
    return read.dt.strftime(DATE_FORMAT).where(read.notna(), dates)


def _kept(raw: pd.DataFrame, mapping: ColumnMapping) -> npt.NDArray[np.bool_]:
    """Return which rows to keep: the mapping may leave out other origins and cancelled flights."""
    kept = np.ones(len(raw), dtype=bool)
    if mapping.leave_out_other_origins:
        code = mapping.airport_config.airport
        kept &= (raw[Raw.ORIGIN] == code).to_numpy()
        _log_left_out(kept.size - kept.sum(), kept.size, f"do not leave from {code}")
    if mapping.leave_out_not_departed:
        before = kept.sum()
        kept &= raw[Raw.ACTUAL_DEPARTURE].notna().to_numpy()
        _log_left_out(before - kept.sum(), before, "have no actual departure")
    return kept


def _log_left_out(left_out: int, rows: int, why: str) -> None:
    logger.info("%s of %s rows %s: left out", f"{left_out:,}", f"{rows:,}", why)


def _in_file_terms(
    problem: Problem, mapping: ColumnMapping, kept: npt.NDArray[np.int64]
) -> Problem:
    """Restate a problem with the file's own columns, lines and date format."""
    rule = problem.rule
    if rule == NOT_A_DATE:
        rule = f"missing, or not a date as {mapping.date_format}"
    examples = tuple(
        (int(kept[line - LINE_OF_FIRST_ROW]) + LINE_OF_FIRST_ROW, value)
        for line, value in problem.examples
    )
    column = mapping.columns.get(Raw(problem.column), problem.column)
    return replace(problem, column=column, rule=rule, examples=examples)
