"""From another airport's table to the columns that this project reads, by its mapping."""

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

    Rows that the mapping leaves out (flights that never left, other origins) are told in the log
    and are not among the dropped ones.

    Parameters
    ----------
    table
        The file as read, with the columns that the mapping names; more are ignored.
    drop_invalid
        Leave invalid rows out instead of refusing the file.

    Returns
    -------
    frame, dropped
        As of `data.frame.to_flights_frame`.

    Raises
    ------
    data.errors.ContentError
        As `data.frame.to_flights_frame`, in the file's own names and lines.
    """
    raw = _translated(_named(table, mapping), mapping)
    kept = np.flatnonzero(_kept(raw, mapping))
    if not len(kept):
        message = (
            f"not one of {len(raw):,} rows is a flight that left {mapping.airport_config.airport}."
        )
        raise NoFlightsError(message)
    try:
        frame, dropped = to_flights_frame(
            raw.iloc[kept], drop_invalid=drop_invalid, home=mapping.airport_config
        )
    except InvalidRowsError as error:
        problems = [_in_its_words(problem, mapping, kept) for problem in error.problems]
        raise InvalidRowsError(problems, error.invalid, error.total) from None
    return frame.assign(file_row=kept[frame["file_row"].to_numpy()]), dropped


def _named(table: pd.DataFrame, mapping: ColumnMapping) -> pd.DataFrame:
    """The mapped columns as stripped text under the names of `data.schema.Raw`."""
    named = table.rename(columns=lambda name: str(name).strip())
    missing = [column for column in mapping.columns.values() if column not in named.columns]
    if missing:
        raise MissingColumnsError(missing, map(str, table.columns))
    columns = {raw.value: as_text(named[name]) for raw, name in mapping.columns.items()}
    return pd.DataFrame(columns).reset_index(drop=True)


def _translated(raw: pd.DataFrame, mapping: ColumnMapping) -> pd.DataFrame:
    """The same flights as Santiago's file would write them; what is not known stays as it is."""
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
    """Whether each row is a flight that left home, where the mapping leaves others out."""
    kept = np.ones(len(raw), dtype=bool)
    if mapping.leave_out_other_origins:
        kept &= (raw[Raw.ORIGIN] == mapping.airport_config.airport).to_numpy()
        _tell(
            kept.size - kept.sum(), kept.size, f"do not leave from {mapping.airport_config.airport}"
        )
    if mapping.leave_out_not_departed:
        at_home, left = kept.sum(), raw[Raw.ACTUAL_DEPARTURE].notna().to_numpy()
        kept &= left
        _tell(at_home - kept.sum(), at_home, "have no actual departure")
    return kept


def _tell(left_out: int, rows: int, why: str) -> None:
    logger.info("%s of %s rows %s: left out", f"{left_out:,}", f"{rows:,}", why)


def _in_its_words(problem: Problem, mapping: ColumnMapping, kept: npt.NDArray[np.int64]) -> Problem:
    """The same problem by the file's own columns, lines and format of dates."""
    rule = problem.rule
    if rule == NOT_A_DATE:
        rule = f"missing, or not a date as {mapping.date_format}"
    examples = tuple(
        (int(kept[line - LINE_OF_FIRST_ROW]) + LINE_OF_FIRST_ROW, value)
        for line, value in problem.examples
    )
    column = mapping.columns.get(Raw(problem.column), problem.column)
    return replace(problem, column=column, rule=rule, examples=examples)
