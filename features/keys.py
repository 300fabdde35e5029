"""The groups of flights whose history is kept, as whole numbers that index one table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self, TypeVar

import numpy as np
import numpy.typing as npt

from data.flights import Flights, IntArray
from features.calendar import weekday
from features.codes import type_by_region
from features.family import JsonObject

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
"""Each kind of group with the wider kind that it is shrunken towards; the wider one first."""

_AIRPORT, _AIRLINE, _DESTINATION, _HOURS, _TYPE = range(5)


class FlightKeys:
    """Numbers the groups that a flight belongs to, one per kind of `KEYS`.

    Names are looked up three times per flight; everything else is arithmetic on their numbers,
    and the groups of all kinds share one range, so that one table holds them all. A name that
    training never saw has the number after the last one: a group without any history.
    """

    def __init__(
        self,
        airlines: Sequence[str] = (),
        destinations: Sequence[str] = (),
        flights: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.airline_ = _numbered(airlines)
        self.destination_ = _numbered(destinations)
        self.flight_ = _numbered(flights)
        a, d, f = len(airlines) + 1, len(destinations) + 1, len(flights) + 1
        sizes = [1, a, d, SLOTS, 2, a * d, a * SLOTS, d * SLOTS, 7 * SLOTS, 2 * SLOTS, a * 2]
        bounds = np.cumsum([0, *sizes, f, f * 7])
        self.size = int(bounds[-1])
        self._offsets = bounds[:-1]

    @classmethod
    def of(cls, flights: Flights) -> Self:
        """Number the names that these flights have, in alphabetical order."""
        pairs = zip(flights.airline, flights.flight_number, strict=True)
        return cls(
            sorted(set(flights.airline)), sorted(set(flights.destination)), sorted(set(pairs))
        )

    def numbers(self, flights: Flights) -> IntArray:
        """Group of each flight by kind, shape ``(n, len(KEYS))``, each below `size`."""
        a = _look_up(self.airline_, flights.airline)
        d = _look_up(self.destination_, flights.destination)
        pairs = list(zip(flights.airline, flights.flight_number, strict=True))
        f = _look_up(self.flight_, pairs)
        kind = np.array([type_by_region(code) == "I" for code in flights.destination], dtype=int)
        hours, day = flights.minute // SLOT_MINUTES, weekday(flights.day)
        out = np.empty((len(flights), len(KEYS)), dtype=np.int64)
        out[:, _AIRPORT], out[:, _AIRLINE], out[:, _DESTINATION] = 0, a, d
        out[:, _HOURS], out[:, _TYPE] = hours, kind
        out[:, 5] = a * (len(self.destination_) + 1) + d
        out[:, 6] = a * SLOTS + hours
        out[:, 7] = d * SLOTS + hours
        out[:, 8] = day * SLOTS + hours
        out[:, 9] = kind * SLOTS + hours
        out[:, 10] = a * 2 + kind
        out[:, 11] = f
        out[:, 12] = f * 7 + day
        out += self._offsets
        return out

    def to_json(self) -> JsonObject:
        """Return the names, each list in the order of its numbers."""
        return {
            "airlines": list(self.airline_),
            "destinations": list(self.destination_),
            "flights": [list(pair) for pair in self.flight_],
        }

    @classmethod
    def from_json(cls, saved: JsonObject) -> Self:
        """Restore from `to_json`."""
        flights = [(airline, number) for airline, number in saved["flights"]]
        return cls(saved["airlines"], saved["destinations"], flights)


def _numbered(names: Sequence[Name]) -> dict[Name, int]:
    return {name: number for number, name in enumerate(names)}


def _look_up(numbers: dict[Name, int], names: Sequence[Name]) -> npt.NDArray[np.int64]:
    unknown = len(numbers)
    return np.array([numbers.get(name, unknown) for name in names], dtype=np.int64)
