"""How busy the airport's timetable is around a flight, as learned from the training schedule."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from data.flights import MINUTES_PER_DAY, Flights
from features.calendar import weekday
from features.family import FloatMatrix, JsonObject

SLOT_MINUTES = 5
SLOTS = MINUTES_PER_DAY // SLOT_MINUTES


class Congestion:
    """Departures that the timetable usually has around the hour of a flight.

    The service is asked about single flights and does not see the rest of the day, so the
    timetable is learned: departures per weekday and slot of five minutes, averaged over the
    weeks of the training schedule. From it follow the usual number of departures in the hour
    around the flight, in the hour before it, and on the whole day.
    """

    key: ClassVar[str] = "congestion"
    names: ClassVar[tuple[str, ...]] = (
        "departures_around",
        "departures_hour_before",
        "departures_day",
    )
    categorical: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self.departures_: npt.NDArray[np.int64] = np.zeros((7, SLOTS), dtype=np.int64)
        self.days_: npt.NDArray[np.int64] = np.ones(7, dtype=np.int64)
        self._table = np.zeros((7 * SLOTS, len(self.names)))

    def fit(self, flights: Flights) -> Self:
        """Count departures by weekday and slot, and the days of each weekday."""
        day = flights.day
        rows = weekday(day) * SLOTS + flights.minute // SLOT_MINUTES
        self.departures_ = np.bincount(rows, minlength=7 * SLOTS).reshape(7, SLOTS)
        self.days_ = np.maximum(np.bincount(weekday(np.unique(day)), minlength=7), 1)
        self._table = self._build_table()
        return self

    def write(self, flights: Flights, out: FloatMatrix) -> None:
        """Write the three columns; see `FeatureFamily.write`."""
        out[:] = self._table[weekday(flights.day) * SLOTS + flights.minute // SLOT_MINUTES]

    def to_json(self) -> JsonObject:
        """Return the counted departures, shape ``(7, SLOTS)``, and days of each weekday."""
        return {"departures": self.departures_.tolist(), "days": self.days_.tolist()}

    @classmethod
    def from_json(cls, saved: JsonObject) -> Self:
        """Restore a fitted family from `to_json`."""
        congestion = cls()
        congestion.departures_ = np.array(saved["departures"], dtype=np.int64)
        congestion.days_ = np.array(saved["days"], dtype=np.int64)
        congestion._table = congestion._build_table()
        return congestion

    def _build_table(self) -> FloatMatrix:
        """One row per weekday and slot. The week is a circle: Sunday night runs into Monday."""
        usual = (self.departures_ / self.days_[:, None]).ravel()
        whole_day = np.repeat(usual.reshape(7, SLOTS).sum(axis=1), SLOTS)
        half_hour = 30 // SLOT_MINUTES
        around = _rolling_sum(usual, -half_hour, half_hour)
        before = _rolling_sum(usual, -2 * half_hour, 0)
        return np.column_stack([around, before, whole_day])


def _rolling_sum(values: FloatMatrix, first: int, last: int) -> FloatMatrix:
    """Sum of `values[i + first : i + last]` for every `i`, wrapping round at both ends."""
    shifted = np.stack([np.roll(values, -offset) for offset in range(first, last)])
    total: FloatMatrix = shifted.sum(axis=0)
    return total
