"""History and timetable for questions about days, or rows, between those of the training flights.

The evaluation's first two protocols hold out rows and days from the middle of the year: what
happened just before and just after them is known. These families use both sides. They serve that
question alone; a model that is asked about the future has no other side.
"""

from __future__ import annotations

from typing import Self

import numpy as np

from data.airports.config import SANTIAGO, AirportConfig
from data.flights import Flights, IntArray, Outcomes
from features.decayed_counts import Events, FloatArray, replay
from features.history import LONG_RUN, History
from features.keys import FlightKeys
from features.timetable import Timetable
from features.transformer import FloatMatrix


class HistoryBetween(History):
    """Late shares from the days on both sides of a flight, and from its own day if asked.

    Parameters
    ----------
    same_day
        Whether other flights of the same day count. Of the flights that were fitted on, a
        flight's own outcome never does.
    """

    HALF_LIVES = (LONG_RUN, 10.0, 2.0, 0.5)

    def __init__(self, *, same_day: bool = False, home: AirportConfig = SANTIAGO) -> None:
        super().__init__(self.HALF_LIVES, home)
        self._same_day = same_day

    def fit(self, flights: Flights, outcomes: Outcomes | None = None) -> Self:
        """Keep all outcomes by the day of their schedule."""
        if outcomes is None:
            return self
        self.keys_ = FlightKeys.of(flights, self.home)
        late = outcomes.delayed.astype(float)
        self._own = late
        self._events = Events.in_order(self.keys_.numbers(flights), flights.day, late)
        return self

    def write(self, flights: Flights, out: FloatMatrix) -> None:
        """Write the columns of flights that were held out."""
        self._write(self._both_sides(flights), np.zeros(len(flights), dtype=np.int64), out)

    def replay(self, flights: Flights, as_of: IntArray, out: FloatMatrix) -> None:
        """Write the columns of the flights that were fitted on, in the order of the fit."""
        counts = self._both_sides(flights)
        if self._same_day:
            counts -= np.stack([np.ones_like(self._own), self._own])[:, :, None, None]
        self._write(counts, flights.day - as_of, out)

    def _both_sides(self, flights: Flights) -> FloatArray:
        groups, day = self.keys_.numbers(flights), flights.day
        size, half_lives = self.keys_.size, self.half_lives
        counts = replay(self._events, size, half_lives, groups, day)
        counts += replay(self._events.mirrored(), size, half_lives, groups, -day)
        if self._same_day:
            counts += self._on_the_day(groups, day)[:, :, :, None]
        return counts

    def _on_the_day(self, groups: IntArray, day: IntArray) -> FloatArray:
        """Flights and late flights of the same group on the same day, ``(2, n, kinds)``."""
        events, first = self._events, int(min(self._events.day[0], day.min()))
        cells = (events.groups + (events.day - first)[:, None] * self.keys_.size).ravel()
        wanted = groups + (day - first)[:, None] * self.keys_.size
        length = max(int(cells.max()), int(wanted.max())) + 1
        late = np.repeat(events.late, groups.shape[1])
        return np.stack(
            [np.bincount(cells, weights, length)[wanted] for weights in (np.ones_like(late), late)]
        )


class TimetableBetween(Timetable):
    """The timetable as of each flight's own day."""

    def write(self, flights: Flights, out: FloatMatrix) -> None:
        """Write the columns of flights that were held out."""
        self.replay(flights, flights.day, out)
