"""History and timetable that use outcomes before and after a flight: for evaluation only.

The random split (E1) and the split by day (E2) hold out rows and days from the middle of the year,
so the outcomes before and after them are known. A model that scores future flights has only the
outcomes before them.
"""

from __future__ import annotations

from typing import Self

import numpy as np

from data.airports.config import SANTIAGO, AirportConfig
from data.flights import Flights, IntArray, Outcomes
from features.decayed_counts import Events, FloatArray, point_in_time
from features.history import LONG_RUN, History
from features.keys import FlightKeys
from features.timetable import Timetable
from features.transformer import FloatMatrix


class TwoSidedHistory(History):
    """Transformer that writes late shares from the days before and after a flight.

    Parameters
    ----------
    same_day
        Whether other flights of the same day count too. A training flight's own outcome is never
        included.
    """

    HALF_LIVES = (LONG_RUN, 10.0, 2.0, 0.5)

    def __init__(self, *, same_day: bool = False, airport_config: AirportConfig = SANTIAGO) -> None:
        super().__init__(self.HALF_LIVES, airport_config)
        self._same_day = same_day

    def fit(self, flights: Flights, outcomes: Outcomes | None = None) -> Self:
        """Keep all outcomes by scheduled day."""
        if outcomes is None:
            return self
        self.keys_ = FlightKeys.of(flights, self.airport_config)
        late = outcomes.delayed.astype(float)
        self._own = late
        self._events = Events.in_order(self.keys_.numbers(flights), flights.day, late)
        return self

    def write(self, flights: Flights, out: FloatMatrix) -> None:
        """Write the columns of held-out flights."""
        self._write(self._both_sides(flights), np.zeros(len(flights), dtype=np.int64), out)

    def point_in_time(self, flights: Flights, as_of: IntArray, out: FloatMatrix) -> None:
        """Write the columns of the training flights, in the order of the fit."""
        counts = self._both_sides(flights)
        if self._same_day:
            counts -= np.stack([np.ones_like(self._own), self._own])[:, :, None, None]
        self._write(counts, flights.day - as_of, out)

    def _both_sides(self, flights: Flights) -> FloatArray:
        groups, day = self.keys_.numbers(flights), flights.day
        size, half_lives = self.keys_.size, self.half_lives
        counts = point_in_time(self._events, size, half_lives, groups, day)
        counts += point_in_time(self._events.mirrored(), size, half_lives, groups, -day)
        if self._same_day:
            counts += self._on_the_day(groups, day)[:, :, :, None]
        return counts

    def _on_the_day(self, groups: IntArray, day: IntArray) -> FloatArray:
        """Count flights and late flights of the same group and day, ``(2, n, kinds)``."""
        events, first = self._events, int(min(self._events.day[0], day.min()))
        cells = (events.groups + (events.day - first)[:, None] * self.keys_.size).ravel()
        wanted = groups + (day - first)[:, None] * self.keys_.size
        length = max(int(cells.max()), int(wanted.max())) + 1
        late = np.repeat(events.late, groups.shape[1])
        return np.stack(
            [np.bincount(cells, weights, length)[wanted] for weights in (np.ones_like(late), late)]
        )


class TwoSidedTimetable(Timetable):
    """Transformer that writes the timetable as of each flight's own day."""

    def write(self, flights: Flights, out: FloatMatrix) -> None:
        """Write the columns of held-out flights."""
        self.point_in_time(flights, flights.day, out)
