"""Number the groups of flights whose history is kept, so that one table holds their counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self, TypeVar

import numpy as np

from data.airports.config import SANTIAGO, AirportConfig
from data.dictionary_column import look_up, pairs
from data.flights import Flights, IntArray
from features.transformer import JsonObject

Name = TypeVar("Name")

SLOT_MINUTES = 120
SLOTS = 12

KEYS: dict[str, str] = {
    "airport": "",
    "airline": "airport",
    "destination": "airport",
    "hours": "airport",
    "type": "airport",
    "airline_destination": "airline",
    "airline_hours": "airline",
    "destination_hours": "destination",
    "weekday_hours": "hours",
    "type_hours": "type",
    "airline_type": "airline",
    "flight": "airline_destination",
    "flight_weekday": "flight",
}
"""Kinds of groups, each with the wider kind that it is shrunken towards; wider kinds first."""

_KIND = {name: position for position, name in enumerate(KEYS)}


class FlightKeys:
    """Index of the groups that a flight belongs to, one per kind of `KEYS`.

    Names are looked up three times per flight; everything else is arithmetic on their numbers.
    The groups of all kinds share one range, so that one table holds them all. A name that was not
    in the training flights has the number after the last one: a group without any history.

    A group's number is a sum of contributions of the airline, the destination, the time and the
    flight, so each of these has one row of contributions to all kinds.
    """

    def __init__(
        self,
        airlines: Sequence[str] = (),
        destinations: Sequence[str] = (),
        flights: Sequence[tuple[str, str]] = (),
        airport_config: AirportConfig = SANTIAGO,
    ) -> None:
        self.airline_ = _numbered(airlines)
        self.destination_ = _Destinations(destinations, airport_config)
        self.flight_ = _numbered(flights)
        a, d, f = len(airlines) + 1, len(destinations) + 1, len(flights) + 1
        sizes = [1, a, d, SLOTS, 2, a * d, a * SLOTS, d * SLOTS, 7 * SLOTS, 2 * SLOTS, a * 2]
        bounds = np.cumsum([0, *sizes, f, f * 7])
        self.size = int(bounds[-1])
        number = np.arange(a)
        self._of_airline = bounds[:-1] + _contributions(
            airline=number, airline_destination=number * d, airline_hours=number * SLOTS,
            airline_type=number * 2,
        )  # fmt: skip
        region = [airport_config.type_of(code) == "I" for code in destinations]
        number, abroad = np.append(np.arange(d), d - 1), np.array([*region, 0, 1])
        self._of_destination = _contributions(
            destination=number, type=abroad, airline_destination=number,
            destination_hours=number * SLOTS, type_hours=abroad * SLOTS, airline_type=abroad,
        )  # fmt: skip
        day, hours = np.divmod(np.arange(7 * SLOTS), SLOTS)
        self._of_time = _contributions(
            hours=hours, airline_hours=hours, destination_hours=hours, type_hours=hours,
            weekday_hours=day * SLOTS + hours, flight_weekday=day,
        )  # fmt: skip
        number = np.arange(f)
        self._of_flight = _contributions(flight=number, flight_weekday=number * 7)

    @classmethod
    def of(cls, flights: Flights, airport_config: AirportConfig = SANTIAGO) -> Self:
        """Number the names of these flights in alphabetical order."""
        pairs = zip(flights.airline, flights.flight_number, strict=True)
        airlines, destinations = sorted(set(flights.airline)), sorted(set(flights.destination))
        return cls(airlines, destinations, sorted(set(pairs)), airport_config)

    def numbers(self, flights: Flights) -> IntArray:
        """Return the group of each flight by kind, shape ``(n, len(KEYS))``, each below `size`."""
        airline, flight, destination = self.airline_.get, self.flight_.get, self.destination_
        no_airline, no_flight = len(self.airline_), len(self.flight_)
        airlines = look_up(
            flights.airline, lambda names: [airline(name, no_airline) for name in names]
        )
        destinations = look_up(
            flights.destination, lambda codes: [destination[code] for code in codes]
        )
        known = look_up(
            pairs(flights.airline, flights.flight_number),
            lambda keys: [flight(key, no_flight) for key in keys],
        )
        out = self._of_airline.take(airlines, axis=0)
        out += self._of_destination.take(destinations, axis=0)
        out += self._of_time.take(flights.weekday * SLOTS + flights.minute // SLOT_MINUTES, axis=0)
        out += self._of_flight.take(known, axis=0)
        return out

    def to_json(self) -> JsonObject:
        """Return the names, each list in the order of its numbers."""
        return {
            "airlines": list(self.airline_),
            "destinations": list(self.destination_),
            "flights": [list(pair) for pair in self.flight_],
        }

    @classmethod
    def from_json(cls, saved: JsonObject, airport_config: AirportConfig = SANTIAGO) -> Self:
        """Restore from `to_json`."""
        flights = [(airline, number) for airline, number in saved["flights"]]
        return cls(saved["airlines"], saved["destinations"], flights, airport_config)


class _Destinations(dict[str, int]):
    """Numbers of destinations; unknown ones share two, domestic and abroad by their code."""

    def __init__(self, codes: Sequence[str], airport_config: AirportConfig) -> None:
        super().__init__(_numbered(codes))
        self._type_of = airport_config.type_of
        self._unknown = {"N": len(codes), "I": len(codes) + 1}

    def __missing__(self, code: str) -> int:
        return self._unknown[self._type_of(code)]


def _contributions(**to_kinds: IntArray) -> IntArray:
    """Return each row's contribution to the named kinds' numbers, ``(rows, len(KEYS))``."""
    rows = np.zeros((len(next(iter(to_kinds.values()))), len(KEYS)), dtype=np.int64)
    for kind, numbers in to_kinds.items():
        rows[:, _KIND[kind]] = numbers
    return rows


def _numbered(names: Sequence[Name]) -> dict[Name, int]:
    return {name: number for number, name in enumerate(names)}
