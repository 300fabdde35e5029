"""Requests and answers of the service.

Made by `make client-models` from the service's contract: edit that, not this.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, StringConstraints

from scl_delay._transport.times import departure_text

Airline = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{3}$")]
Airport = Annotated[str, StringConstraints(pattern=r"^[A-Z]{4}$")]
FlightNumber = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,5}[A-Z]?$")]
Departure = Annotated[str | datetime, PlainValidator(departure_text)]
"""ISO 8601 text, or a `datetime`; stored as text."""


class _Sent(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Answered(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class AirportWindow(_Sent):
    """Flights that left the home airport within some hours before the observation."""

    departures: float = Field(ge=0, le=2000, multiple_of=1)
    """Number of departures."""
    late_share: float | None = Field(default=None, ge=0, le=1)
    """Share of them that left more than 15 minutes late; null without departures."""
    mean_delay_minutes: float | None = Field(default=None, ge=-1440, le=1440)
    """Their mean delay, negative if early; null without departures."""


class AirportState(_Sent):
    """Current state of the airport, used to score flights of the next hours."""

    observed_at: Departure
    """Time of the observation, in the form of a scheduled departure. The state is used only for
    flights scheduled up to 3 hours later.
    """
    last_hour: AirportWindow
    last_3_hours: AirportWindow
    last_6_hours: AirportWindow | None = None
    last_24_hours: AirportWindow | None = None


class Contribution(_Answered):
    """Effect of one group of features on a probability."""

    group: Literal[
        "airline",
        "destination",
        "hour",
        "weekday",
        "holiday",
        "congestion",
        "history",
        "airport now",
    ]
    """Group of features."""
    change: float = Field(ge=-1, le=1)
    """Signed change in probability."""


class Explanation(_Answered):
    """Explanation of a probability, which is the sum of `base` and all changes."""

    base: float = Field(ge=0, le=1)
    """Probability of a flight about which nothing is known."""
    contributions: list[Contribution]
    """Contributions, the strongest first."""


class FieldError(_Answered):
    """One invalid field of a request."""

    pointer: str
    """JSON pointer to the field."""
    flight: int | None
    """Index of the flight, from 0; null outside flights."""
    detail: str
    """Explanation of the mistake."""


class Flight(_Sent):
    """One scheduled departure from the home airport."""

    airline: Airline
    """ICAO code of the airline, as scheduled."""
    flight_number: FlightNumber
    """Flight number without the airline's code."""
    destination: Airport
    """ICAO code of the destination, as scheduled."""
    scheduled_departure: Departure
    """Scheduled departure, ISO 8601. Without an offset: the home airport's wall clock; with one
    it is converted. Years 2000 to 2049.
    """
    flight_type: Literal["N", "I"] | None = None
    """N national, I international; left out, it follows from the destination."""


class Prediction(_Answered):
    """Prediction for one flight."""

    probability: float = Field(ge=0, le=1)
    """Probability of leaving more than 15 minutes late."""
    delayed: bool
    """Whether the probability reaches the published threshold."""
    risk: Literal["low", "moderate", "elevated", "high"]
    """Band of the probability; `GET /model` publishes the bounds."""
    unknown: list[Literal["airline", "destination"]]
    """Fields whose value is not in the training data; only the others are used."""
    explanation: Explanation | None = None
    """Present if the request asks to explain."""


class PredictionRequest(_Sent):
    """Flights to score; predictions keep their order."""

    flights: list[Flight] = Field(min_length=1, max_length=10000)
    """1 to 10000 flights."""
    airport_state: AirportState | None = None
    """Current state of the airport; without it, only the schedule is used."""
    explain: bool = False
    """Whether to explain each probability."""


class PredictionResponse(_Answered):
    """Predictions for the flights of a request, in their order."""

    model: str
    """Name and version of the model."""
    predictions: list[Prediction]


class Problem(_Answered):
    """A problem document, RFC 9457."""

    type: str
    """Kind of problem, a stable URN."""
    title: str
    """Kind of problem in words."""
    status: int
    """HTTP status."""
    detail: str
    """Explanation of this problem, and what to do."""
    errors: list[FieldError] | None = None
    """Invalid fields."""
