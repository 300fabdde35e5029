"""Decoding of request bodies into flights, with problems that list the invalid fields."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any

import numpy as np
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from data.flights import Flights, FloatMatrix, IntArray
from serving.contract.schema import (
    LONGEST_TIMEOUT_MS,
    MAX_FLIGHTS,
    STATE_HOURS,
    AirportState,
    AirportWindow,
    FailFastRequest,
    Flight,
    PredictionRequest,
    minutes_of,
)
from serving.errors import Invalid, NotJson

LISTED_ERRORS = 20
"""Most invalid fields that one problem document lists."""
MAX_ERRORS = 1_000
"""Errors of one request beyond which none is listed: pydantic can only return all of them."""
FULLY_CHECKED_BYTES = 40_000
"""Longest body whose invalid flights are all listed; in a longer one, only the first."""
LONGEST_NAME = 4_096
"""Characters of a field's name that a pointer repeats; the names are the client's."""
MAX_COLONS = 8 * MAX_FLIGHTS + 100
"""More than the largest request has: five names, and three in a time, per flight."""


def decode(body: bytes) -> PredictionRequest:
    """Validate the body of a prediction request.

    Raises
    ------
    NotJson
        If the body is not JSON.
    Invalid
        With the invalid fields, and the index of the flight of each.
    """
    model = PredictionRequest if len(body) <= FULLY_CHECKED_BYTES else FailFastRequest
    if body.count(b":") > MAX_COLONS:
        raise Invalid(f"the body has more fields than {MAX_FLIGHTS} flights have")  # noqa: EM102, TRY003
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        count = error.error_count()
        if count > MAX_ERRORS:
            raise Invalid(f"{count} invalid field(s), too many to list") from None  # noqa: EM102, TRY003
        problems = error.errors(include_url=False, include_context=False, include_input=False)
    if problems[0]["type"] == "json_invalid":
        raise NotJson(f"{problems[0]['msg']}. Send one JSON object with a list `flights`.")  # noqa: EM102, TRY003
    fields = [_field_error(problem) for problem in problems[:LISTED_ERRORS]]
    more = f" (the first {LISTED_ERRORS} are listed)" if count > LISTED_ERRORS else ""
    first = f"{fields[0]['pointer'] or 'the body'}: {fields[0]['detail']}"
    raise Invalid(f"{count} invalid field(s){more}; {first}", errors=fields)  # noqa: EM102, TRY003


def timeout_seconds(header: bytes | None) -> float:
    """Return the seconds that a client allows for the answer; infinite without the header.

    Raises
    ------
    Invalid
        If the header is not a whole number of milliseconds.
    """
    if header is None:
        return inf
    if not (header.isdigit() and 1 <= int(header[:7]) <= LONGEST_TIMEOUT_MS and len(header) < 7):
        detail = f"X-Request-Timeout-Ms must be a whole number from 1 to {LONGEST_TIMEOUT_MS}."
        raise Invalid(detail)
    return int(header) / 1000


def to_flights(flights: Sequence[Flight], state: AirportState | None = None) -> Flights:
    """Return validated flights as columns, with the airport's state where one is given."""
    departure = np.array([minutes_of(f.scheduled_departure) for f in flights], dtype=np.int64)
    return Flights(
        airline=[flight.airline for flight in flights],
        flight_number=[flight.flight_number for flight in flights],
        destination=[flight.destination for flight in flights],
        flight_type=[flight.flight_type for flight in flights],
        departure=departure,
        airport=None if state is None else _airport(state, departure),
    )


def _airport(state: AirportState, departure: IntArray) -> FloatMatrix:
    """Return the state as one row per flight; NaN for flights too long after the observation."""
    windows = (state.last_hour, state.last_3_hours, state.last_6_hours, state.last_24_hours)
    ahead = departure - minutes_of(state.observed_at)
    in_range = (ahead >= 0) & (ahead <= 60 * STATE_HOURS)
    row = [figure for window in windows for figure in _figures(window)]
    return np.where(in_range[:, None], np.array(row), np.nan)


def _figures(window: AirportWindow | None) -> tuple[float, float, float]:
    if window is None:
        return (np.nan, np.nan, np.nan)
    late, delay = window.late_share, window.mean_delay_minutes
    return (
        float(window.departures),
        np.nan if late is None else late,
        np.nan if delay is None else delay,
    )


def _field_error(problem: ErrorDetails) -> dict[str, Any]:
    location = problem["loc"]
    inside_flight = len(location) > 1 and location[0] == "flights"
    return {
        "pointer": "".join(f"/{_escaped(part)}" for part in location),
        "flight": location[1] if inside_flight and isinstance(location[1], int) else None,
        "detail": problem["msg"].removeprefix("Value error, "),
    }


def _escaped(part: str | int) -> str:
    """Return a reference token of a JSON pointer (RFC 6901), cut to `LONGEST_NAME` characters."""
    return str(part)[:LONGEST_NAME].replace("~", "~0").replace("/", "~1")
