"""Schema of requests and answers, from which the decoder and the OpenAPI document are made."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    ConfigDict,
    FailFast,
    Field,
    JsonValue,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
)

from data.airports.config import SANTIAGO, AirportConfig
from data.reference import AIRLINE_PATTERN, AIRPORT_PATTERN, FLIGHT_NUMBER_PATTERN
from model.inference import Group

MAX_FLIGHTS = 10_000
LONGEST_TIMEOUT_MS = 600_000
STATE_HOURS = 3
"""Hours after its observation for which the airport's state is used."""


class WallClock:
    """Time zone of the home airport, for times without an offset; one for the process.

    The service sets it from its model before the first request. A reload refuses a model with
    another time zone.
    """

    zone = ZoneInfo(SANTIAGO.time_zone)

    @classmethod
    def use(cls, home: AirportConfig) -> None:
        """Set the time zone to that of the airport that a model was trained for."""
        cls.zone = ZoneInfo(home.time_zone)


_LEAP_YEARS = "|".join(f"{year:02}" for year in range(0, 50, 4))
_ISO_8601 = (
    r"20([0-4][0-9]-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])"
    r"|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
    rf"|({_LEAP_YEARS})-02-29)"
    r"[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?"
    r"(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])?"
)
"""Matches exactly the accepted times; the published schema contains it."""
_NO_DEPARTURE = "must be a date and time in ISO 8601, years 2000 to 2049, like 2017-07-14T08:30:00"
_is_iso_8601 = re.compile(_ISO_8601).fullmatch


def _parse_departure(value: object) -> datetime:
    """Return a time on the wall clock of the home airport, converted if it has an offset."""
    if isinstance(value, str):
        if not _is_iso_8601(value):
            raise ValueError(_NO_DEPARTURE)
        value = datetime.fromisoformat(value)
    if not isinstance(value, datetime):
        raise ValueError(_NO_DEPARTURE)  # noqa: TRY004 - pydantic makes it a field error
    if value.tzinfo is not None:
        return value.astimezone(WallClock.zone).replace(tzinfo=None)
    return value


Airline = Annotated[str, StringConstraints(pattern=f"^{AIRLINE_PATTERN}$")]
Airport = Annotated[str, StringConstraints(pattern=f"^{AIRPORT_PATTERN}$")]
FlightNumber = Annotated[str, StringConstraints(pattern=f"^{FLIGHT_NUMBER_PATTERN}$")]
Departure = Annotated[
    datetime,
    PlainValidator(_parse_departure),
    WithJsonSchema({"type": "string", "pattern": f"^{_ISO_8601}$"}),
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Flight(_Strict):
    """One scheduled departure from the home airport."""

    airline: Airline = Field(
        description="ICAO code of the airline, as scheduled.", examples=["LAN"]
    )
    flight_number: FlightNumber = Field(
        description="Flight number without the airline's code.", examples=["120"]
    )
    destination: Airport = Field(
        description="ICAO code of the destination, as scheduled.", examples=["SCFA"]
    )
    scheduled_departure: Departure = Field(
        description=(
            "Scheduled departure, ISO 8601. Without an offset: the home airport's wall clock; with"
            " one it is converted. Years 2000 to 2049."
        ),
        examples=["2017-07-14T08:30:00"],
    )
    flight_type: Literal["N", "I"] | None = Field(
        default=None,
        description="N national, I international; left out, it follows from the destination.",
        examples=["N"],
    )


class AirportWindow(_Strict):
    """Flights that left the home airport within some hours before the observation."""

    departures: float = Field(
        ge=0, le=2000, multiple_of=1, description="Number of departures.", examples=[9]
    )
    late_share: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Share of them that left more than 15 minutes late; null without departures.",
        examples=[0.33],
    )
    mean_delay_minutes: float | None = Field(
        default=None,
        ge=-1440,
        le=1440,
        description="Their mean delay, negative if early; null without departures.",
        examples=[14.5],
    )


class AirportState(_Strict):
    """Current state of the airport, used to score flights of the next hours."""

    observed_at: Departure = Field(
        description=(
            "Time of the observation, in the form of a scheduled departure. The state is used only"
            f" for flights scheduled up to {STATE_HOURS} hours later."
        ),
        examples=["2017-07-14T07:30:00"],
    )
    last_hour: AirportWindow
    last_3_hours: AirportWindow
    last_6_hours: AirportWindow | None = None
    last_24_hours: AirportWindow | None = None


EXAMPLE_STATE: dict[str, JsonValue] = {
    "observed_at": "2017-07-14T07:30:00",
    "last_hour": {"departures": 9, "late_share": 0.33, "mean_delay_minutes": 14.5},
    "last_3_hours": {"departures": 17, "late_share": 0.24, "mean_delay_minutes": 9.0},
}
EXAMPLE_FLIGHT: dict[str, JsonValue] = {
    "airline": "LAN",
    "flight_number": "120",
    "destination": "SCFA",
    "scheduled_departure": "2017-07-14T08:30:00",
    "flight_type": "N",
}


class PredictionRequest(_Strict):
    """Flights to score; predictions keep their order."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"flights": [EXAMPLE_FLIGHT]},
                {"flights": [EXAMPLE_FLIGHT], "airport_state": EXAMPLE_STATE},
            ]
        }
    )

    flights: list[Flight] = Field(
        min_length=1, max_length=MAX_FLIGHTS, description=f"1 to {MAX_FLIGHTS} flights."
    )
    airport_state: AirportState | None = Field(
        default=None,
        description="Current state of the airport; without it, only the schedule is used.",
    )
    explain: bool = Field(default=False, description="Whether to explain each probability.")


class FailFastRequest(PredictionRequest):
    """The same request, validated up to the first invalid flight.

    Each validation error takes a hundred times the memory of its bytes, and the interpreter runs
    nothing else while a body is validated.
    """

    flights: Annotated[list[Flight], FailFast()] = Field(min_length=1, max_length=MAX_FLIGHTS)


class Contribution(_Strict):
    """Effect of one group of features on a probability."""

    group: Group = Field(description="Group of features.")
    change: float = Field(ge=-1, le=1, description="Signed change in probability.")


class Explanation(_Strict):
    """Explanation of a probability, which is the sum of `base` and all changes."""

    base: float = Field(
        ge=0, le=1, description="Probability of a flight about which nothing is known."
    )
    contributions: list[Contribution] = Field(description="Contributions, the strongest first.")


class Prediction(_Strict):
    """Prediction for one flight."""

    probability: float = Field(
        ge=0, le=1, description="Probability of leaving more than 15 minutes late."
    )
    delayed: bool = Field(description="Whether the probability reaches the published threshold.")
    risk: Literal["low", "moderate", "elevated", "high"] = Field(
        description="Band of the probability; `GET /model` publishes the bounds."
    )
    unknown: list[Literal["airline", "destination"]] = Field(
        description="Fields whose value is not in the training data; only the others are used."
    )
    explanation: Explanation | None = Field(
        default=None, description="Present if the request asks to explain."
    )


class PredictionResponse(_Strict):
    """Predictions for the flights of a request, in their order."""

    model: str = Field(description="Name and version of the model.")
    predictions: list[Prediction]


class FieldError(BaseModel):
    """One invalid field of a request."""

    model_config = ConfigDict(extra="forbid")

    pointer: str = Field(description="JSON pointer to the field.", examples=["/flights/3/airline"])
    flight: int | None = Field(description="Index of the flight, from 0; null outside flights.")
    detail: str = Field(description="Explanation of the mistake.")


class Problem(BaseModel):
    """A problem document, RFC 9457."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(description="Kind of problem, a stable URN.")
    title: str = Field(description="Kind of problem in words.")
    status: int = Field(description="HTTP status.")
    detail: str = Field(description="Explanation of this problem, and what to do.")
    errors: list[FieldError] | None = Field(default=None, description="Invalid fields.")


_EPOCH = date(1970, 1, 1).toordinal()


def minutes_of(moment: datetime) -> int:
    """Return minutes of the wall clock since 1970-01-01 00:00."""
    return (moment.toordinal() - _EPOCH) * 1440 + moment.hour * 60 + moment.minute
