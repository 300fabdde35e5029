"""Columns of dataset_SCL.csv, their English names, and the rules that a row must satisfy."""

from __future__ import annotations

from enum import StrEnum

import pandera.pandas as pa

from data.airports.config import AirportConfig
from data.reference import AIRLINE_PATTERN, AIRPORT_PATTERN, FLIGHT_NUMBER_PATTERN


class Raw(StrEnum):
    """Columns that are read from the file; others are ignored.

    Names that end in -I are of the schedule, names that end in -O of the operation.
    """

    SCHEDULED_DEPARTURE = "Fecha-I"
    FLIGHT_NUMBER = "Vlo-I"
    ORIGIN = "Ori-I"
    DESTINATION = "Des-I"
    AIRLINE = "Emp-I"
    ACTUAL_DEPARTURE = "Fecha-O"
    OPERATED_FLIGHT_NUMBER = "Vlo-O"
    OPERATED_DESTINATION = "Des-O"
    OPERATED_AIRLINE = "Emp-O"
    FLIGHT_TYPE = "TIPOVUELO"
    OPERATOR_NAME = "OPERA"


RAW_COLUMNS = (
    *("Fecha-I", "Vlo-I", "Ori-I", "Des-I", "Emp-I"),
    *("Fecha-O", "Vlo-O", "Ori-O", "Des-O", "Emp-O"),
    *("DIA", "MES", "AÑO", "DIANOM", "TIPOVUELO", "OPERA", "SIGLAORI", "SIGLADES"),
)
"""All columns of the published file, in its order."""

DATE_FORMAT = "%Y-%m-%d %H:%M:%S"
"""Format of the file's dates, in Santiago's local time."""

ENGLISH = {
    Raw.AIRLINE: "airline",
    Raw.FLIGHT_NUMBER: "flight_number",
    Raw.DESTINATION: "destination",
    Raw.SCHEDULED_DEPARTURE: "scheduled_departure",
    Raw.FLIGHT_TYPE: "flight_type",
    Raw.ACTUAL_DEPARTURE: "actual_departure",
    Raw.OPERATED_AIRLINE: "operated_airline",
    Raw.OPERATED_FLIGHT_NUMBER: "operated_flight_number",
    Raw.OPERATED_DESTINATION: "operated_destination",
    Raw.OPERATOR_NAME: "operator_name",
    Raw.ORIGIN: "origin",
}
"""Names in the typed frame, by the file's own."""

SCHEDULE_COLUMNS = ("airline", "flight_number", "destination", "scheduled_departure", "flight_type")
"""Columns that are known before departure: features may use no others."""

OUTCOME_COLUMNS = (
    "actual_departure",
    "operated_airline",
    "operated_flight_number",
    "operated_destination",
    "operator_name",
    "delay_minutes",
    "delayed",
)
"""Columns that are known only after the departure."""

FRAME_COLUMNS = (*SCHEDULE_COLUMNS, *OUTCOME_COLUMNS, "file_row")
"""The typed frame, in order; `file_row` is the row's position in its file, from 0."""

NOT_A_DATE = "missing, or not a date as YYYY-MM-DD HH:MM:SS"
MINUTES_PER_DAY = 24 * 60


def _text(pattern: str, rule: str, *, required: bool = True) -> pa.Column:
    whole = rf"^(?:{pattern})$"
    return pa.Column(str, pa.Check.str_matches(whole, error=rule), nullable=not required)


def _date() -> pa.Column:
    # pandera does not compare units of time: `data.frame` makes sure that it is seconds
    return pa.Column("datetime64[s]", nullable=False)


def _delay() -> pa.Column:
    within_a_day = pa.Check.in_range(
        -MINUTES_PER_DAY,
        MINUTES_PER_DAY,
        include_min=False,
        include_max=False,
        error="leaves a day or more before or after its schedule",
    )
    # it is missing only if one of the dates is, which is reported for the date
    return pa.Column("float64", within_a_day, nullable=True)


FLIGHTS_SCHEMA = pa.DataFrameSchema(
    {
        "airline": _text(AIRLINE_PATTERN, "not an airline's three capital letters or digits"),
        "flight_number": _text(FLIGHT_NUMBER_PATTERN, "not 1 to 5 digits and perhaps a letter"),
        "destination": _text(AIRPORT_PATTERN, "not an airport's four capital letters"),
        "scheduled_departure": _date(),
        "flight_type": _text("[IN]", "neither I (international) nor N (national)"),
        "actual_departure": _date(),
        "operated_airline": pa.Column(str, nullable=True),
        "operated_flight_number": pa.Column(str, nullable=True),
        "operated_destination": pa.Column(str, nullable=True),
        "operator_name": pa.Column(str, nullable=True),
        "delay_minutes": _delay(),
        "delayed": pa.Column(bool),
        "file_row": pa.Column("int64"),
    },
    strict=True,
)
"""The typed frame: 13 columns, one row per departure."""


def candidate_schema(airport_config: AirportConfig) -> pa.DataFrameSchema:
    """Return the schema of unchecked rows: the typed frame and two columns only for checks."""
    code = airport_config.airport
    checked = {
        "origin": _text(code, f"not {code}: only departures from {airport_config.place}"),
        "repeats": pa.Column(
            bool, pa.Check.equal_to(False, error="repeats an earlier row in every column read")
        ),
    }
    return FLIGHTS_SCHEMA.add_columns(checked)
