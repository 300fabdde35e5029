"""Flights as the service sees them: five columns that are known before departure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

MINUTES_PER_DAY = 1440
FLIGHT_TYPES = ("N", "I")
"""National and international."""

T = TypeVar("T")
IntArray = npt.NDArray[np.int64]


class Columns(Protocol):
    """Anything that gives a column by its name: a dictionary of lists, a pandas frame."""

    def __getitem__(self, name: str, /) -> Any: ...


@dataclass(frozen=True, slots=True)
class Flights:
    """What is known about `n` flights before they depart, column by column.

    There is deliberately no room here for an outcome: whoever builds features from `Flights`
    cannot see one.

    Attributes
    ----------
    airline, destination
        ICAO codes of the published schedule, e.g. ``"LAN"`` and ``"SCFA"``.
    flight_number
        The number as text, without the airline, e.g. ``"120"``.
    flight_type
        ``"N"`` national, ``"I"`` international, ``None`` where the caller left it out.
    departure
        Scheduled departure, shape ``(n,)``: minutes of Santiago's wall clock since
        1970-01-01 00:00.
    """

    airline: Sequence[str]
    flight_number: Sequence[str]
    destination: Sequence[str]
    flight_type: Sequence[str | None]
    departure: IntArray

    def __len__(self) -> int:
        return len(self.airline)

    @property
    def day(self) -> IntArray:
        """Days since 1970-01-01, shape ``(n,)``."""
        return self.departure // MINUTES_PER_DAY

    @property
    def minute(self) -> IntArray:
        """Minute of the day, 0 to 1439, shape ``(n,)``."""
        return self.departure % MINUTES_PER_DAY

    @classmethod
    def from_columns(cls, columns: Columns) -> Flights:
        """Take the five schedule columns of a typed frame and nothing else."""
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
        )

    def slice(self, start: int, stop: int) -> Flights:
        """Flights `start` to `stop`, the last not included."""
        return Flights(
            airline=self.airline[start:stop],
            flight_number=self.flight_number[start:stop],
            destination=self.destination[start:stop],
            flight_type=self.flight_type[start:stop],
            departure=self.departure[start:stop],
        )


def _texts(column: Any) -> list[str]:
    texts: list[str] = np.asarray(column, dtype=object).tolist()
    return texts


def _chain(columns: Iterable[Sequence[T]]) -> list[T]:
    return [value for column in columns for value in column]
