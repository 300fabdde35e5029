"""The contract: what a request may say and what an answer says. One source for all of it."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
)

from data.airports.config import SANTIAGO, AirportConfig
from model.inference import Group

MAX_FLIGHTS = 10_000
LONGEST_TIMEOUT_MS = 600_000
STATE_HOURS = 3
"""How long after its observation the airport's state says something about a departure."""


class WallClock:
    """The home airport's clock, on which times without an offset stand: one for the process.

    A service has it from its model before the first request; a model of another airport is
    refused while it runs.
    """

    zone = ZoneInfo(SANTIAGO.time_zone)

    @classmethod
    def of(cls, home: AirportConfig) -> None:
        """Take the clock of the airport that a model was trained for."""
        cls.zone = ZoneInfo(home.time_zone)


_LEAP_YEARS = "|".join(f"{year:02}" for year in range(0, 50, 4))
_ISO_8601 = (
    r"20([0-4][0-9]-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])"
    r"|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
    rf"|({_LEAP_YEARS})-02-29)"
    r"[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?"
    r"(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])?"
)
"""Every time that is accepted and none other, so that the published schema is exact."""
_NO_DEPARTURE = "must be a date and time in ISO 8601, years 2000 to 2049, like 2017-07-14T08:30:00"
_is_iso_8601 = re.compile(_ISO_8601).fullmatch


def _parse_departure(value: object) -> datetime:
    """Wall clock of the home airport; a time without an offset is that already."""
    if isinstance(value, str):
        if not _is_iso_8601(value):
            raise ValueError(_NO_DEPARTURE)
        value = datetime.fromisoformat(value)
    if not isinstance(value, datetime):
        raise ValueError(_NO_DEPARTURE)  # noqa: TRY004 - pydantic makes it a field error
    if value.tzinfo is not None:
        return value.astimezone(WallClock.zone).replace(tzinfo=None)
    return value


Airline = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{3}$")]
Airport = Annotated[str, StringConstraints(pattern=r"^[A-Z]{4}$")]
FlightNumber = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,5}[A-Z]?$")]
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
        ge=0, le=2000, multiple_of=1, description="How many left.", examples=[9]
    )
    late_share: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Share of them that left more than 15 minutes late; none where none left.",
        examples=[0.33],
    )
    mean_delay_minutes: float | None = Field(
        default=None,
        ge=-1440,
        le=1440,
        description="Their mean delay, early departures negative; none where none left.",
        examples=[14.5],
    )


class AirportState(_Strict):
    """What the airport looks like now. Flights of the next hours are scored with it."""

    observed_at: Departure = Field(
        description=(
            "When it was observed, written like a scheduled departure. It is used for flights"
            f" scheduled up to {STATE_HOURS} hours later, and for no others."
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
    """Flights to be scored, answered in order."""

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
        description="The airport now; left out, flights are scored from the schedule alone.",
    )
    explain: bool = Field(
        default=False, description="Whether to tell what each probability is made of."
    )


class Contribution(_Strict):
    """What one group of facts does to a probability."""

    group: Group = Field(description="What the facts are about.")
    change: float = Field(ge=-1, le=1, description="Signed change in probability.")


class Explanation(_Strict):
    """Why a flight has its probability: `base` and all changes add up to it."""

    base: float = Field(
        ge=0, le=1, description="Probability of a flight of which nothing is known."
    )
    contributions: list[Contribution] = Field(description="The strongest first.")


class Prediction(_Strict):
    """What the model says about one flight."""

    probability: float = Field(
        ge=0, le=1, description="Probability of leaving more than 15 minutes late."
    )
    delayed: bool = Field(description="Whether the probability reaches the published threshold.")
    risk: Literal["low", "moderate", "elevated", "high"] = Field(
        description="Band of the probability; `GET /model` publishes the bounds."
    )
    unknown: list[Literal["airline", "destination"]] = Field(
        description="Fields whose value the model has never seen; the score leans on the rest."
    )
    explanation: Explanation | None = Field(
        default=None, description="Only where the request asks to explain."
    )


class PredictionResponse(_Strict):
    """Predictions for the flights of a request, in their order."""

    model: str = Field(description="The model that answered, name and version.")
    predictions: list[Prediction]


class FieldError(BaseModel):
    """One invalid field of a request."""

    model_config = ConfigDict(extra="forbid")

    pointer: str = Field(description="Where, as a JSON pointer.", examples=["/flights/3/airline"])
    flight: int | None = Field(description="Index of the flight, from 0; null outside flights.")
    detail: str = Field(description="What is wrong with it.")


class Problem(BaseModel):
    """A problem document, RFC 9457."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(description="Kind of problem; stable, for programs.")
    title: str = Field(description="The kind in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What is wrong here, and what to do.")
    errors: list[FieldError] | None = Field(default=None, description="Each invalid field.")


_EPOCH = date(1970, 1, 1).toordinal()


def minutes_of(moment: datetime) -> int:
    """Minutes of the wall clock since 1970-01-01 00:00."""
    return (moment.toordinal() - _EPOCH) * 1440 + moment.hour * 60 + moment.minute
