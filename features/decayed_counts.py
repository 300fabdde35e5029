"""Count flights and late flights by group, with exponential decay, as of any day."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from data.flights import IntArray

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Events:
    """Outcomes of `n` flights with their groups and the day on which each was known.

    Attributes
    ----------
    groups
        Shape ``(n, kinds)``; see `features.keys.FlightKeys.numbers`.
    day
        Days since 1970-01-01, shape ``(n,)``, ascending.
    late
        1 where the flight was late, else 0; shape ``(n,)``.
    """

    groups: IntArray
    day: IntArray
    late: FloatArray

    @classmethod
    def in_order(cls, groups: IntArray, day: IntArray, late: FloatArray) -> Self:
        """Sort events by their day."""
        order = np.argsort(day, kind="stable")
        return cls(groups[order], day[order], late[order])

    def mirrored(self) -> Events:
        """Return the events with time reversed."""
        return Events(self.groups[::-1], -self.day[::-1], self.late[::-1])

    def between(self, first: int, last: int) -> Events:
        """Return the events of the days `first` to `last`, the last not included."""
        start, stop = np.searchsorted(self.day, [first, last])
        return Events(self.groups[start:stop], self.day[start:stop], self.late[start:stop])


class DecayedCounts:
    """Decayed counts of every group as of one day, which can only move forward.

    A flight whose outcome was known on day `k` counts ``2 ** (-(day - k) / half_life)`` as of
    `day`. As of its own day it does not count: outcomes of a day are known on the next one.

    Parameters
    ----------
    events
        The outcomes, in the order of their days.
    size
        Number of groups.
    half_lives
        In days.
    """

    def __init__(self, events: Events, size: int, half_lives: tuple[float, ...]) -> None:
        self._events = events
        self._half_lives = np.array(half_lives)
        self.day = int(events.day[0]) if len(events.day) else 0
        self.counts = np.zeros((2, size, len(half_lives)))
        """Flights and late flights, shape ``(2, groups, half-lives)``."""

    def advance(self, day: int) -> FloatArray:
        """Add all outcomes that were known before `day`, and return the counts as of it."""
        self.counts *= fading(np.array([day - self.day]), self._half_lives)[0]
        events = self._events.between(self.day, day)
        if len(events.day):
            weights = fading(day - events.day, self._half_lives)
            for position in range(len(self._half_lives)):
                self._add(events, weights[:, position], position)
        self.day = max(self.day, day)
        return self.counts

    def _add(self, events: Events, weight: FloatArray, position: int) -> None:
        groups, kinds = events.groups.ravel(), events.groups.shape[1]
        for row, value in enumerate((weight, weight * events.late)):
            sums = np.bincount(groups, np.repeat(value, kinds), self.counts.shape[1])
            self.counts[row, :, position] += sums


def fading(days: IntArray, half_lives: FloatArray) -> FloatArray:
    """Return the weight of a flight after so many days, ``(len(days), len(half_lives))``."""
    weights: FloatArray = np.exp2(-np.maximum(days, 0)[:, None] / half_lives)
    return weights


def point_in_time(
    events: Events, size: int, half_lives: tuple[float, ...], groups: IntArray, as_of: IntArray
) -> FloatArray:
    """Return the counts of the groups of `n` flights, each as of a day of its own.

    The days are visited once in ascending order, so that no flight can see a later outcome.

    Returns
    -------
    Shape ``(2, n, kinds, half-lives)``.
    """
    found = np.empty((2, *groups.shape, len(half_lives)))
    decayed = DecayedCounts(events, size, half_lives)
    for day, rows in by_value(as_of):
        found[:, rows] = decayed.advance(day)[:, groups[rows]]
    return found


def by_value(values: IntArray) -> Iterator[tuple[int, IntArray]]:
    """Yield each value in ascending order, with its positions."""
    if not len(values):
        return
    order = np.argsort(values, kind="stable")
    distinct, starts = np.unique(values[order], return_index=True)
    yield from zip(distinct.tolist(), np.split(order, starts[1:]), strict=True)
