"""Tests that rows are validated as the service validates the flights of a request."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pydantic import ValidationError

from data.flights import Flights
from score.errors import InputError
from score.validation import validate
from serving.contract.schema import EXAMPLE_FLIGHT, Flight, minutes_of

ODD = {
    "airline": ["LAN", "48O", "lan", "LATM", "LA", "", "LÁN", "L\nN", "\U0001d7d9AB", "LAN;", None],
    "flight_number": ["1", "00120", "120A", "123456", "12AB", "A12", "-1", "١٢", "1 2", None],
    "destination": ["SCFA", "scfa", "SCF", "SCFA1", "ÑCFA", "????", None],
    "flight_type": ["N", "I", None, "X", "NI", "n"],
    "scheduled_departure": [
        "2017-07-14T08:30:00",
        "2017-07-14 08:30",
        "2017-07-14 08:30:59.999999",
        "2017-07-14 08:30:59.9999999",
        "2017-07-14T08:30:00Z",
        "2017-07-14T23:30:00-11:30",
        "2017-05-14T02:59:59+00:00",
        "2017-08-13T04:00:00+00:00",
        "2017-08-13T03:59:00Z",
        "2000-01-01T00:00Z",
        "2049-12-31T23:59:59",
        "2050-01-01T00:00:00",
        "1999-12-31T23:59:00",
        "2016-02-29 00:00:00",
        "2017-02-29 00:00:00",
        "2017-04-31 00:00:00",
        "2017-07-14T24:00:00",
        "2017-07-14",
        "2017-07-14T08:30:00z",
        "20170714T083000",
        "yesterday",
        None,
    ],
}


def table(**columns: Any) -> pa.Table:
    """Return rows like the contract's example, with the given columns replaced."""
    rows = max(len(values) for values in columns.values())
    example = {name: [value] * rows for name, value in EXAMPLE_FLIGHT.items()}
    return pa.table({**example, **columns})


@pytest.mark.parametrize("field", ODD)
def test_a_row_is_valid_if_the_contract_accepts_it(field: str) -> None:
    """Each unusual value is accepted, rejected and parsed as in a request."""
    checked = validate(table(**{field: pa.array(ODD[field], pa.string())}))
    expected: list[Flight | None] = []
    for value in ODD[field]:
        try:
            expected.append(Flight.model_validate({**EXAMPLE_FLIGHT, field: value}))
        except ValidationError:
            expected.append(None)
    assert checked.valid.tolist() == [flight is not None for flight in expected]
    accepted = [flight for flight in expected if flight is not None]
    assert checked.flights.departure.tolist() == [
        minutes_of(flight.scheduled_departure) for flight in accepted
    ]
    assert list(checked.flights.flight_type) == [flight.flight_type for flight in accepted]
    assert all(reason.startswith(f"{field}: ") for reason in checked.reasons)


def test_every_hour_of_a_year_with_an_offset_is_converted_as_in_a_request() -> None:
    """Times of UTC become the same local time as in the contract."""
    hours = pd.date_range("2017-01-01", "2017-12-31 23:00", freq="h", tz="UTC")
    text = hours.strftime("%Y-%m-%dT%H:%M:%SZ")
    as_text = validate(table(scheduled_departure=list(text))).flights.departure
    typed = validate(table(scheduled_departure=pa.array(hours))).flights.departure
    contract = [
        minutes_of(
            Flight.model_validate({**EXAMPLE_FLIGHT, "scheduled_departure": t}).scheduled_departure
        )
        for t in text
    ]
    assert as_text.tolist() == typed.tolist() == contract


def test_columns_may_have_any_type_that_can_be_text_or_time(schedule: pd.DataFrame) -> None:
    """Categories, numbers, large strings and timestamps of any unit give the same as text."""
    flights = schedule[schedule["flight_number"].str.isdigit()]
    expected = Flights.from_columns(flights)
    typed = pa.table(
        {
            "airline": pa.array(flights["airline"], pa.large_string()),
            "destination": pa.array(flights["destination"]).cast(pa.string()).dictionary_encode(),
            "flight_number": pa.array(flights["flight_number"].astype(float)),
            "flight_type": pa.array(flights["flight_type"].str.encode("utf-8"), pa.binary()),
            "scheduled_departure": pa.array(flights["scheduled_departure"]).cast(
                pa.timestamp("ns")
            ),
        }
    )
    checked = validate(typed)
    assert checked.valid.all()
    assert list(checked.flights.airline) == list(expected.airline)
    assert list(map(int, checked.flights.flight_number)) == list(map(int, expected.flight_number))
    assert list(checked.flights.destination) == list(expected.destination)
    assert list(checked.flights.flight_type) == list(expected.flight_type)
    assert np.array_equal(checked.flights.departure, expected.departure)


def test_timestamps_outside_the_contracts_years_are_invalid() -> None:
    """A timestamp column has the same range as text; a missing value is reported as missing."""
    times = pa.array(["1999-12-31 23:59", "2000-01-01", "2049-12-31 23:59", "2050-01-01", None])
    checked = validate(table(scheduled_departure=times.cast(pa.timestamp("s"))))
    assert checked.valid.tolist() == [False, True, True, False, False]
    assert checked.reasons[-1] == "scheduled_departure: missing"


def test_all_reasons_of_a_row_are_reported() -> None:
    """A row that breaks several rules has a reason for each of them."""
    (reason,) = validate(table(airline=["x"], destination=[None], origin=["SCEL"])).reasons
    assert "airline: not an airline's" in reason
    assert "destination: missing" in reason
    assert "origin" not in reason


def test_flights_of_another_origin_are_invalid() -> None:
    """The origin column, if there is one, must be the home airport."""
    assert validate(table(origin=["SCEL", "SCFA", None])).valid.tolist() == [True, False, False]


def test_text_is_trimmed_and_an_empty_type_is_missing() -> None:
    """White space is trimmed as in training; an empty flight type follows from the destination."""
    checked = validate(table(airline=[" LAN "], flight_number=["120.0"], flight_type=[" "]))
    assert checked.valid.all()
    assert list(checked.flights.airline) == ["LAN"]
    assert list(checked.flights.flight_number) == ["120"]
    assert list(checked.flights.flight_type) == [None]


def test_a_column_that_cannot_be_text_raises() -> None:
    """A column of lists in place of codes ends the run with a message."""
    with pytest.raises(InputError, match="cannot be read as text"):
        validate(table(airline=[["LAN"]]))
