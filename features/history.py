"""Features of past lateness: late shares by group, shrunken and with exponential decay."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from data.airports.config import SANTIAGO, AirportConfig
from data.flights import Flights, IntArray, Outcomes
from features.decayed_counts import DecayedCounts, Events, FloatArray, fading, point_in_time
from features.keys import KEYS, FlightKeys
from features.transformer import FloatMatrix, JsonObject

LONG_RUN = 60.0
PRIOR = 0.18
"""Late share that is assumed for an airport without any history."""

EVIDENCE = np.array([200.0, 50.0, 50.0, 80.0, 100.0, 30.0, 30.0, 30.0, 60.0, 60.0, 40.0, 10.0, 5.0])
"""Weight of the wider group's share in a group's own, in flights, by kind."""
RECENT_EVIDENCE = {10.0: 15.0, 2.0: 8.0, 0.5: 6.0}
"""Weight of a group's longer-term share in its short-term one, in flights, by half-life."""
AIRPORT_FACTOR = 10.0
"""The airport has hundreds of flights a day: its short-term shares use this times the weight."""

_LEVELS: tuple[tuple[slice, list[int]], ...] = (
    (slice(1, 5), [0]),
    (slice(5, 11), [1, 1, 2, 3, 4, 1]),
    (slice(11, 12), [5]),
    (slice(12, 13), [11]),
)
"""Kinds that are shrunken in one step, with the positions of their wider kinds (one for all)."""
_DECIMALS = 5


class History:
    """Transformer that writes the late shares of the groups that a flight belongs to.

    Each share is shrunken towards that of the next wider group, and a short-term share towards the
    longer-term one: the fewer flights, the more. Without it, a small airline with two late flights
    would have the highest share.

    With the long-run half-life alone, the columns are differences of log-odds between each group
    and the whole airport: the airport's late share changes within months, while the order of its
    airlines and hours mostly stays. With shorter half-lives, which only help when outcomes are
    fresh, the columns are the shares themselves.

    References
    ----------
    D. Micci-Barreca, "A preprocessing scheme for high-cardinality categorical attributes",
    SIGKDD Explorations 3(1), 2001: the shrinkage, here applied along a hierarchy.
    """

    key: ClassVar[str] = "history"
    learns_outcomes: ClassVar[bool] = True
    categorical: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self, half_lives: tuple[float, ...] = (LONG_RUN,), airport_config: AirportConfig = SANTIAGO
    ) -> None:
        self.airport_config = airport_config
        self.half_lives = half_lives
        self._relative = half_lives == (LONG_RUN,)
        self.names = self.monotone = _names(half_lives)
        self.keys_ = FlightKeys()
        self.as_of_ = 0
        self.table_: FloatArray = np.zeros((2, self.keys_.size, len(half_lives)))
        self._events = Events(np.empty((0, len(KEYS)), int), np.empty(0, int), np.empty(0))

    def fit(self, flights: Flights, outcomes: Outcomes | None = None) -> Self:
        """Learn the groups, and the counts as of the day after the last flight.

        Without outcomes there is no history: every share is the prior.
        """
        self.keys_ = FlightKeys.of(flights, self.airport_config)
        self.as_of_ = int(flights.day.max()) + 1
        if outcomes is not None:
            known, late = outcomes.known_on(flights), outcomes.delayed.astype(float)
            self._events = Events.in_order(self.keys_.numbers(flights), known, late)
        decayed = DecayedCounts(self._events, self.keys_.size, self.half_lives)
        self.table_ = np.round(decayed.advance(self.as_of_), _DECIMALS)
        return self

    def write(self, flights: Flights, out: FloatMatrix) -> None:
        """Write the columns as of the end of the fit; see `Transformer.write`."""
        counts = self.table_.take(self.keys_.numbers(flights), axis=1)
        self._write(counts, flights.day - self.as_of_, out)

    def point_in_time(self, flights: Flights, as_of: IntArray, out: FloatMatrix) -> None:
        """Write the columns as they were on the day `as_of` of each flight, shape ``(n,)``."""
        groups = self.keys_.numbers(flights)
        counts = point_in_time(self._events, self.keys_.size, self.half_lives, groups, as_of)
        self._write(counts, flights.day - as_of, out)

    def to_json(self) -> JsonObject:
        """Return the groups' names, the day and the counts as of it."""
        return {
            "half_lives": list(self.half_lives),
            "keys": self.keys_.to_json(),
            "as_of": self.as_of_,
            "counts": self.table_.tolist(),
        }

    @classmethod
    def from_json(cls, saved: JsonObject, airport_config: AirportConfig = SANTIAGO) -> Self:
        """Restore a fitted transformer from `to_json`; `point_in_time` needs the outcomes."""
        history = cls(tuple(saved["half_lives"]), airport_config)
        history.keys_ = FlightKeys.from_json(saved["keys"], airport_config)
        history.as_of_ = saved["as_of"]
        history.table_ = np.array(saved["counts"], dtype=float)
        return history

    def _write(self, counts: FloatArray, age: IntArray, out: FloatMatrix) -> None:
        counts = counts * fading(age, np.array(self.half_lives))[:, None, :]
        shares = late_shares(counts[0], counts[1], self.half_lives)
        if self._relative:
            share = shares[:, :, 0]
            log_odds = np.log(share / (1.0 - share))
            np.subtract(log_odds[:, 1:], log_odds[:, :1], out=out)
        else:
            out[:] = shares.reshape(len(out), len(self.names))


def late_shares(flights: FloatArray, late: FloatArray, half_lives: tuple[float, ...]) -> FloatArray:
    """Return shrunken shares from decayed counts, shape ``(n, kinds, half-lives)`` all three."""
    shares = np.empty_like(flights)
    long, seen, weight = shares[:, :, 0], late[:, :, 0], flights[:, :, 0] + EVIDENCE
    long[:, 0] = (seen[:, 0] + EVIDENCE[0] * PRIOR) / weight[:, 0]
    for kinds, wider in _LEVELS:
        late_flights = long.take(wider, axis=1) * EVIDENCE[kinds]
        late_flights += seen[:, kinds]
        np.divide(late_flights, weight[:, kinds], out=long[:, kinds])
    for position, half_life in enumerate(half_lives[1:], start=1):
        evidence = np.full(len(KEYS), RECENT_EVIDENCE[half_life])
        evidence[0] *= AIRPORT_FACTOR
        late_flights = late[:, :, position] + evidence * shares[:, :, position - 1]
        shares[:, :, position] = late_flights / (flights[:, :, position] + evidence)
    return shares


def _names(half_lives: tuple[float, ...]) -> tuple[str, ...]:
    if half_lives == (LONG_RUN,):
        return tuple(f"{kind}_standing" for kind in list(KEYS)[1:])
    return tuple(f"{kind}_late_{half_life:g}d" for kind in KEYS for half_life in half_lives)
