"""Features of congestion: the usual departures around a flight in the last weeks' schedule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from data.dictionary_column import look_up
from data.flights import MINUTES_PER_DAY, Flights, IntArray, weekday
from features.decayed_counts import by_value
from features.transformer import FloatMatrix, JsonObject

WEEKS, REACH_WEEKS = 4, 8
"""Number of days of the same weekday that are averaged, and weeks back that are searched."""
SLOT_MINUTES = 5
SLOTS = MINUTES_PER_DAY // SLOT_MINUTES
LONGEST_GAP = 90
"""Minutes at which the gap to the departure before or after is capped."""

MINUTE_WINDOWS = {
    "departures_half_hour_around": (-15, 16),
    "departures_half_hour_before": (-30, 0),
    "departures_hour_before": (-60, 0),
    "departures_three_hours_before": (-180, 0),
    "departures_hour_after": (1, 61),
    "departures_day": (-MINUTES_PER_DAY, MINUTES_PER_DAY),
}
"""First and last minute, the last not included, around the minute of the flight."""
AIRLINE_WINDOWS = {"airline_hour_around": (-6, 7), "airline_three_hours_before": (-36, 0)}
DESTINATION_WINDOWS = {"destination_four_hours_around": (-24, 25)}
"""The same in slots of five minutes."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Features of the usual day: by minute, by airline and slot, by destination and slot.

    Shapes ``(1440, 8)``, ``(airlines + 1, 288, 2)`` and ``(destinations + 1, 288, 1)``; the last
    airline and destination are for those that the schedule does not have.
    """

    by_minute: FloatMatrix
    by_airline: FloatMatrix
    by_destination: FloatMatrix


class Timetable:
    """Transformer that writes the usual departures around a flight.

    They are means over the last four days of the same weekday. A request holds single flights and
    not the rest of their day, so the timetable is learned. Only days before the `as_of` day count:
    in training too, a flight has the timetable that was known then, not that of its own week.
    """

    key: ClassVar[str] = "timetable"
    names: ClassVar[tuple[str, ...]] = (
        *MINUTE_WINDOWS,
        "minutes_since_departure",
        "minutes_to_departure",
        *AIRLINE_WINDOWS,
        *DESTINATION_WINDOWS,
    )
    categorical: ClassVar[tuple[str, ...]] = ()
    monotone: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self.airline_: dict[str, int] = {}
        self.destination_: dict[str, int] = {}
        self.as_of_ = 0
        self.schedule_: IntArray = np.empty((0, 4), dtype=np.int64)

    def fit(self, flights: Flights) -> Self:
        """Learn the schedule and the week's plans as of the day after its last flight."""
        self.airline_ = {name: n for n, name in enumerate(sorted(set(flights.airline)))}
        self.destination_ = {name: n for n, name in enumerate(sorted(set(flights.destination)))}
        rows = np.column_stack([flights.day, flights.minute, *self._numbers(flights)])
        self.schedule_ = rows[np.lexsort(rows.T[::-1])]
        self.as_of_ = int(flights.day.max()) + 1
        self._prepare()
        return self

    def write(self, flights: Flights, out: FloatMatrix) -> None:
        """Write the columns as of the end of the fit; see `Transformer.write`."""
        minute, day = flights.minute, flights.weekday
        airline, destination = self._numbers(flights)
        slot = minute // SLOT_MINUTES
        out[:, :8] = self._week.by_minute[day, minute]
        out[:, 8:10] = self._week.by_airline[day, airline, slot]
        out[:, 10:] = self._week.by_destination[day, destination, slot]

    def point_in_time(self, flights: Flights, as_of: IntArray, out: FloatMatrix) -> None:
        """Write the columns as they were on the day `as_of` of each flight, shape ``(n,)``."""
        minute, slot = flights.minute, flights.minute // SLOT_MINUTES
        airline, destination = self._numbers(flights)
        for which, rows in by_value(as_of * 7 + flights.weekday):
            plan = self._plan(which // 7, which % 7)
            out[rows, :8] = plan.by_minute[minute[rows]]
            out[rows, 8:10] = plan.by_airline[airline[rows], slot[rows]]
            out[rows, 10:] = plan.by_destination[destination[rows], slot[rows]]

    def to_json(self) -> JsonObject:
        """Return the names, the day, and the schedule of the weeks before it."""
        recent = self.schedule_[self.schedule_[:, 0] >= self.as_of_ - 7 * REACH_WEEKS]
        return {
            "airlines": list(self.airline_),
            "destinations": list(self.destination_),
            "as_of": self.as_of_,
            "schedule": recent.tolist(),
        }

    @classmethod
    def from_json(cls, saved: JsonObject) -> Self:
        """Restore a fitted transformer from `to_json`."""
        timetable = cls()
        timetable.airline_ = {name: n for n, name in enumerate(saved["airlines"])}
        timetable.destination_ = {name: n for n, name in enumerate(saved["destinations"])}
        timetable.as_of_ = saved["as_of"]
        timetable.schedule_ = np.array(saved["schedule"], dtype=np.int64).reshape(-1, 4)
        timetable._prepare()
        return timetable

    def _prepare(self) -> None:
        plans = [self._plan(self.as_of_, day) for day in range(7)]
        self._week = Plan(
            by_minute=np.stack([plan.by_minute for plan in plans]),
            by_airline=np.stack([plan.by_airline for plan in plans]),
            by_destination=np.stack([plan.by_destination for plan in plans]),
        )

    def _numbers(self, flights: Flights) -> tuple[IntArray, IntArray]:
        airlines, destinations = self.airline_, self.destination_
        no_airline, no_destination = len(airlines), len(destinations)
        return (
            np.asarray(
                look_up(
                    flights.airline, lambda codes: [airlines.get(a, no_airline) for a in codes]
                ),
                dtype=np.int64,
            ),
            np.asarray(
                look_up(
                    flights.destination,
                    lambda codes: [destinations.get(d, no_destination) for d in codes],
                ),
                dtype=np.int64,
            ),
        )

    def _plan(self, as_of: int, day_of_week: int) -> Plan:
        days = [rows for rows in self._days(as_of, day_of_week) if len(rows)][:WEEKS]
        airlines, destinations = len(self.airline_) + 1, len(self.destination_) + 1
        if not days:
            return Plan(
                by_minute=np.full((MINUTES_PER_DAY, 8), np.nan),
                by_airline=np.full((airlines, SLOTS, 2), np.nan),
                by_destination=np.full((destinations, SLOTS, 1), np.nan),
            )
        minute, airline, destination = np.concatenate(days)[:, 1:].T
        slot = minute // SLOT_MINUTES
        count = np.bincount(minute, minlength=MINUTES_PER_DAY)[None].astype(float)
        by_minute = _window_sums(count, MINUTE_WINDOWS) / len(days)
        gaps = np.mean([_gaps(rows[:, 1]) for rows in days], axis=0)
        by_airline = _window_sums(_slot_counts(airline, slot, airlines), AIRLINE_WINDOWS)
        by_destination = _window_sums(
            _slot_counts(destination, slot, destinations), DESTINATION_WINDOWS
        )
        return Plan(
            by_minute=np.column_stack([by_minute[0], gaps]),
            by_airline=by_airline / len(days),
            by_destination=by_destination / len(days),
        )

    def _days(self, as_of: int, day_of_week: int) -> list[IntArray]:
        """Return the schedule of the same weekdays before a day, the latest first."""
        latest = as_of - 1 - (int(weekday(np.array([as_of - 1]))[0]) - day_of_week) % 7
        days = latest - 7 * np.arange(REACH_WEEKS)
        starts, stops = (np.searchsorted(self.schedule_[:, 0], days + more) for more in (0, 1))
        return [self.schedule_[a:b] for a, b in zip(starts, stops, strict=True)]


def _slot_counts(number: IntArray, slot: IntArray, numbers: int) -> FloatMatrix:
    """Count departures by airline (or destination) and slot, shape ``(numbers, SLOTS)``."""
    counts = np.bincount(number * SLOTS + slot, minlength=numbers * SLOTS)
    return counts.reshape(numbers, SLOTS).astype(float)


def _window_sums(counts: FloatMatrix, windows: Mapping[str, tuple[int, int]]) -> FloatMatrix:
    """Return ``counts[:, t + first : t + last]`` summed for every `t`, cut at the day's ends.

    Shape ``(rows, times, windows)``.
    """
    times = np.arange(counts.shape[1])
    until = np.concatenate([np.zeros((len(counts), 1)), np.cumsum(counts, axis=1)], axis=1)
    sums = [
        until[:, np.clip(times + last, 0, len(times))]
        - until[:, np.clip(times + first, 0, len(times))]
        for first, last in windows.values()
    ]
    return np.stack(sums, axis=2)


def _gaps(minute: IntArray) -> FloatMatrix:
    """Return the minutes since the departure before, and to the one after, ``(1440, 2)``."""
    times = np.arange(MINUTES_PER_DAY)
    # `minute` is sorted; np.unique would import numpy.ma, 2 % of the service's start-up time
    departures = minute[np.diff(minute, prepend=-1) > 0]
    known = np.concatenate([[-np.inf], departures, [np.inf]])
    before = times - known[np.searchsorted(departures, times, side="left")]
    after = known[np.searchsorted(departures, times, side="right") + 1] - times
    gaps: FloatMatrix = np.minimum(np.column_stack([before, after]), LONGEST_GAP)
    return gaps
