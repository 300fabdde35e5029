"""Configuration of the departure airport: time zone, calendar, domestic destinations."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from data.reference import HOME_AIRPORT, TIME_ZONE

Day = tuple[int, int]
"""Month and day of the month."""
Periods = tuple[tuple[Day, Day], ...]
"""First and last day of yearly periods; each within one calendar year."""


@dataclass(frozen=True, slots=True)
class AirportConfig:
    """Configuration of the airport that a model's flights leave from.

    Attributes
    ----------
    airport
        ICAO code.
    place
        Name in sentences: "departures from ...".
    time_zone
        IANA name; times without an offset are local times there.
    country
        ISO 3166 code; its public holidays are used.
    country_name
        The country's name.
    domestic
        Prefixes of the ICAO codes of domestic airports (ICAO Doc 7910).
    subdivision
        ISO 3166-2 code without the country's, to include regional holidays.
    school_holidays, high_season
        Periods of the year; empty where they are not known.
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
        """Return the flight type of a destination by the prefix of its ICAO code."""
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
    """Compare two airports; return why they do not match, or ``None`` where they do.

    Parameters
    ----------
    model
        Airport of the model.
    other, whose
        The other airport, and the words before it: "and these leave", "the registered one those".
    """
    if model.airport == other.airport:
        return None
    return f"the model scores flights from {model.airport}, {whose} from {other.airport}"


def _frozen(value: Any) -> Any:
    return tuple(_frozen(each) for each in value) if isinstance(value, list | tuple) else value


SANTIAGO = AirportConfig(
    airport=HOME_AIRPORT,
    place="Santiago",
    time_zone=TIME_ZONE,
    country="CL",
    country_name="Chile",
    domestic=("SC",),
    # the exact dates move by a few days from year to year
    school_holidays=(((1, 1), (3, 1)), ((7, 8), (7, 23)), ((9, 16), (9, 24)), ((12, 16), (12, 31))),
    # from the original notebook
    high_season=(((12, 15), (12, 31)), ((1, 1), (3, 3)), ((7, 15), (7, 31)), ((9, 11), (9, 30))),
)
"""The airport of the published flights, and the default everywhere."""
