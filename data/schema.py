"""The columns of dataset_SCL.csv, their English names, and what makes a row a flight."""

from __future__ import annotations

from enum import StrEnum

import pandera.pandas as pa

from data.airports.config import AirportConfig


class Raw(StrEnum):
    """Columns that are read from the file; what it holds beyond them is ignored.

    Those ending in -I are of the schedule, those ending in -O of the operation.
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
"""How the file writes a date, in Santiago's local time."""

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
"""What is known before departure: the only columns that features may use."""

OUTCOME_COLUMNS = (
    "actual_departure",
    "operated_airline",
    "operated_flight_number",
    "operated_destination",
    "operator_name",
    "delay_minutes",
    "delayed",
)
"""What is known only once the flight has left."""

FRAME_COLUMNS = (*SCHEDULE_COLUMNS, *OUTCOME_COLUMNS, "file_row")
"""The typed frame, in order; `file_row` is the row's position in its file, from 0."""

NOT_A_DATE = "missing, or not a date as YYYY-MM-DD HH:MM:SS"
MINUTES_PER_DAY = 24 * 60

# The airport gives hired aircraft codes of its own, such as 48O: digits have to pass.
_AIRLINE = r"[A-Z0-9]{3}"
_AIRPORT = r"[A-Z]{4}"
_FLIGHT_NUMBER = r"[0-9]{1,5}[A-Z]?"


def _text(pattern: str, rule: str, *, required: bool = True) -> pa.Column:
    whole = rf"^(?:{pattern})$"
    return pa.Column(str, pa.Check.str_matches(whole, error=rule), nullable=not required)


def _date() -> pa.Column:
    # pandera takes any unit of time for any other: that it is seconds is up to `data.frame`.
    return pa.Column("datetime64[s]", nullable=False)


def _delay() -> pa.Column:
    within_a_day = pa.Check.in_range(
        -MINUTES_PER_DAY,
        MINUTES_PER_DAY,
        include_min=False,
        include_max=False,
        error="leaves a day or more before or after its schedule",
    )
    # It is missing only where one of the dates is, and those complain for themselves.
    return pa.Column("float64", within_a_day, nullable=True)


FLIGHTS_SCHEMA = pa.DataFrameSchema(
    {
        "airline": _text(_AIRLINE, "not an airline's three capital letters or digits"),
        "flight_number": _text(_FLIGHT_NUMBER, "not 1 to 5 digits and perhaps a letter"),
        "destination": _text(_AIRPORT, "not an airport's four capital letters"),
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


def candidate_schema(home: AirportConfig) -> pa.DataFrameSchema:
    """The typed frame before it is accepted, with two columns that serve only to judge a row."""
    code = home.airport
    judged = {
        "origin": _text(code, f"not {code}: only departures from {home.place}"),
        "repeats": pa.Column(
            bool, pa.Check.equal_to(False, error="repeats an earlier row in every column read")
        ),
    }
    return FLIGHTS_SCHEMA.add_columns(judged)
