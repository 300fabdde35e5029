"""The airport that flights leave from: its clock, its country's calendar, what is domestic."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from data.reference import HOME_AIRPORT, TIME_ZONE

Day = tuple[int, int]
"""Month and day of the month."""
Periods = tuple[tuple[Day, Day], ...]
"""First and last day of periods that return every year; each within one calendar year."""


@dataclass(frozen=True, slots=True)
class AirportConfig:
    """What a model knows of the airport that its flights leave from.

    Attributes
    ----------
    airport
        ICAO code.
    place
        How people call it in a sentence: "departures from ...".
    time_zone
        IANA name; times without an offset are on the wall clock there.
    country
        ISO 3166 code, of the public holidays.
    country_name
        The same for people.
    domestic
        What the ICAO codes of domestic airports begin with (ICAO Doc 7910).
    subdivision
        ISO 3166-2 code without the country's, where its regional holidays count too.
    school_holidays, high_season
        Periods of the year; none where nothing is known of them.
    """

    airport: str
    place: str
    time_zone: str
    country: str
    country_name: str
    domestic: tuple[str, ...]
    subdivision: str | None = None
    school_holidays: Periods = ()
    high_season: Periods = ()

    def type_of(self, destination: str) -> str:
        """Flight type by the region that an ICAO code begins with."""
        return "N" if destination.startswith(self.domestic) else "I"

    def to_json(self) -> dict[str, Any]:
        """Return all fields, as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> Self:
        """Restore from `to_json`.

        Raises
        ------
        KeyError
            If a field is missing.
        """
        return cls(**{field.name: _frozen(saved[field.name]) for field in fields(cls)})


def mismatch(model: AirportConfig, other: AirportConfig, whose: str) -> str | None:
    """Return why a model does not go with something of another airport; ``None`` where it does.

    Parameters
    ----------
    model
        What the model knows.
    other, whose
        The other home, and the words between: "and these leave", "the registered one those".
    """
    if model.airport == other.airport:
        return None
    return f"the model knows flights from {model.airport}, {whose} from {other.airport}"


def _frozen(value: Any) -> Any:
    return tuple(_frozen(each) for each in value) if isinstance(value, list | tuple) else value


SANTIAGO = AirportConfig(
    airport=HOME_AIRPORT,
    place="Santiago",
    time_zone=TIME_ZONE,
    country="CL",
    country_name="Chile",
    domestic=("SC",),
    # they move by a few days from year to year
    school_holidays=(((1, 1), (3, 1)), ((7, 8), (7, 23)), ((9, 16), (9, 24)), ((12, 16), (12, 31))),
    # of the original data scientist's notebook
    high_season=(((12, 15), (12, 31)), ((1, 1), (3, 3)), ((7, 15), (7, 31)), ((9, 11), (9, 30))),
)
"""The airport of the published flights, and the default everywhere."""
