"""Columns of flights that are known before departure, and of their outcomes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from data.dictionary_column import DictionaryColumn

MINUTES_PER_DAY = 1440
FLIGHT_TYPES = ("N", "I")
"""National and international."""
AIRPORT_HOURS = (1, 3, 6, 24)
"""Windows of the airport's state, in hours before the observation."""
AIRPORT_FIGURES = 3 * len(AIRPORT_HOURS)
"""Of each window: departures, late share, mean delay in minutes."""

T = TypeVar("T")
IntArray = npt.NDArray[np.int64]
FloatMatrix = npt.NDArray[np.float64]


class Columns(Protocol):
    """Object that returns a column by its name: a dictionary of lists, a pandas frame."""

    def __getitem__(self, name: str, /) -> Any: ...


@dataclass(frozen=True)
class Flights:
    """Columns of `n` flights that are known before departure.

    It has no outcomes on purpose: code that builds features from `Flights` cannot use them.

    Attributes
    ----------
    airline, destination
        ICAO codes of the published schedule, e.g. ``"LAN"`` and ``"SCFA"``.
    flight_number
        The number as text, without the airline, e.g. ``"120"``.
    flight_type
        ``"N"`` national, ``"I"`` international, ``None`` if the request has none.
    departure
        Scheduled departure, shape ``(n,)``: minutes of Santiago's wall clock since
        1970-01-01 00:00.
    airport
        State of the airport shortly before, shape ``(n, AIRPORT_FIGURES)``: three figures for
        each of `AIRPORT_HOURS`; a row of NaN where it is not known. ``None`` where it is not known
        for any flight.
    """

    airline: Sequence[str]
    flight_number: Sequence[str]
    destination: Sequence[str]
    flight_type: Sequence[str | None]
    departure: IntArray
    airport: FloatMatrix | None = None

    def __len__(self) -> int:
        return len(self.airline)

    @cached_property
    def day(self) -> IntArray:
        """Days since 1970-01-01, shape ``(n,)``."""
        return self.departure // MINUTES_PER_DAY

    @cached_property
    def minute(self) -> IntArray:
        """Minute of the day, 0 to 1439, shape ``(n,)``."""
        return self.departure - self.day * MINUTES_PER_DAY

    @cached_property
    def weekday(self) -> IntArray:
        """Weekday, shape ``(n,)``; Monday is 0."""
        return weekday(self.day)

    @classmethod
    def from_columns(cls, columns: Columns) -> Flights:
        """Read only the five schedule columns of a typed frame."""
        departure = np.asarray(columns["scheduled_departure"], dtype="datetime64[m]")
        return cls(
            airline=_texts(columns["airline"]),
            flight_number=_texts(columns["flight_number"]),
            destination=_texts(columns["destination"]),
            flight_type=[
                kind if kind in FLIGHT_TYPES else None for kind in _texts(columns["flight_type"])
            ],
            departure=departure.astype(np.int64),
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Flights]) -> Flights:
        """Join batches, in order."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            airline=_chain(part.airline for part in parts),
            flight_number=_chain(part.flight_number for part in parts),
            destination=_chain(part.destination for part in parts),
            flight_type=_chain(part.flight_type for part in parts),
            departure=np.concatenate([part.departure for part in parts]),
            airport=_stack_airport(parts),
        )

    def slice(self, start: int, stop: int) -> Flights:
        """Return the flights `start` to `stop`, the last not included."""
        return Flights(
            airline=self.airline[start:stop],
            flight_number=self.flight_number[start:stop],
            destination=self.destination[start:stop],
            flight_type=self.flight_type[start:stop],
            departure=self.departure[start:stop],
            airport=None if self.airport is None else self.airport[start:stop],
        )

    def pick(self, rows: IntArray) -> Flights:
        """Return the flights at the given positions, in their order."""
        return Flights(
            airline=_picked(self.airline, rows),
            flight_number=_picked(self.flight_number, rows),
            destination=_picked(self.destination, rows),
            flight_type=_picked(self.flight_type, rows),
            departure=self.departure[rows],
            airport=None if self.airport is None else self.airport[rows],
        )

    def seen(self, airport: FloatMatrix | None) -> Flights:
        """Return the flights with another state of the airport."""
        return replace(self, airport=airport)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Outcomes of `n` flights, separate from `Flights` because they are known only afterwards.

    Attributes
    ----------
    delayed
        Whether each flight left more than 15 minutes late, shape ``(n,)``.
    delay_minutes
        Negative where it left early, shape ``(n,)``.
    departure
        Actual departure, shape ``(n,)``: minutes as in `Flights.departure`.
    """

    delayed: npt.NDArray[np.bool_]
    delay_minutes: npt.NDArray[np.float64]
    departure: IntArray

    @classmethod
    def from_columns(cls, columns: Columns) -> Outcomes:
        """Read the three outcome columns of a typed frame."""
        departure = np.asarray(columns["actual_departure"], dtype="datetime64[m]")
        return cls(
            delayed=np.asarray(columns["delayed"], dtype=bool),
            delay_minutes=np.asarray(columns["delay_minutes"], dtype=np.float64),
            departure=departure.astype(np.int64),
        )

    def known_on(self, flights: Flights) -> IntArray:
        """Return the day on which each outcome was known, at least the scheduled one, ``(n,)``."""
        return np.maximum(flights.day, self.departure // MINUTES_PER_DAY)


def weekday(days: IntArray) -> IntArray:
    """Return the weekday of days since 1970-01-01 (a Thursday); Monday is 0."""
    return (days + 3) % 7


def _picked(column: Sequence[T], rows: IntArray) -> Sequence[T]:
    if isinstance(column, DictionaryColumn):
        return column.pick(rows)
    return [column[n] for n in rows.tolist()]


def _texts(column: Any) -> list[str]:
    texts: list[str] = np.asarray(column, dtype=object).tolist()
    return texts


def _stack_airport(parts: Sequence[Flights]) -> FloatMatrix | None:
    if all(part.airport is None for part in parts):
        return None
    return np.concatenate(
        [
            np.full((len(part), AIRPORT_FIGURES), np.nan) if part.airport is None else part.airport
            for part in parts
        ]
    )


def _chain(columns: Iterable[Sequence[T]]) -> list[T]:
    return [value for column in columns for value in column]
