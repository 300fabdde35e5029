"""The contract passes the airport's state to the model, and publishes the model's names."""

from __future__ import annotations

import json

import numpy as np
import pytest

from model.inference import GROUPS
from serving.batching.engines import from_rows, to_rows
from serving.contract.decoding import decode, to_flights
from serving.contract.schema import EXAMPLE_FLIGHT, EXAMPLE_STATE, Contribution, PredictionRequest


def _request(*departures: str) -> PredictionRequest:
    flights = [EXAMPLE_FLIGHT | {"scheduled_departure": each} for each in departures]
    return decode(json.dumps({"flights": flights, "airport_state": EXAMPLE_STATE}).encode())


@pytest.mark.parametrize(
    ("departure", "used"),
    [("07:29", False), ("07:30", True), ("08:30", True), ("10:30", True), ("10:31", False)],
)
def test_a_state_reaches_three_hours_ahead(departure: str, used: bool) -> None:
    """It is used for flights from the observation to three hours later, and no others."""
    request = _request(f"2017-07-14T{departure}")
    airport = to_flights(request.flights, request.airport_state).airport
    assert airport is not None
    expected = [9, 0.33, 14.5, 17, 0.24, 9.0] if used else [np.nan] * 6
    np.testing.assert_array_equal(airport[0], [*expected, *[np.nan] * 6])


def test_rows_for_bentoml_carry_the_state() -> None:
    """Through JSON and back, numbers stay equal and missing ones stay missing."""
    request = _request("2017-07-14T08:30", "2017-07-14T23:00")
    flights = to_flights(request.flights, request.airport_state)
    again = from_rows(json.loads(json.dumps(to_rows(flights), allow_nan=False)))
    assert flights.airport is not None
    assert again.airport is not None
    np.testing.assert_array_equal(again.airport, flights.airport)


def test_rows_without_a_state_have_none() -> None:
    """Rows of flights without a state become flights without one."""
    flights = to_flights(_request("2017-07-14T08:30").flights)
    assert from_rows(to_rows(flights)).airport is None


def test_the_published_groups_are_those_of_the_explanations() -> None:
    """The schema of a contribution lists exactly the groups that an explanation can name."""
    published = Contribution.model_json_schema()["properties"]["group"]
    assert published["enum"] == list(GROUPS)
