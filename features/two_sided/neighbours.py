"""Late shares of flights within minutes of a flight: for the random split (E1) only."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from data.flights import Flights, IntArray, Outcomes
from features.history import PRIOR
from features.keys import FlightKeys
from features.transformer import FloatMatrix, JsonObject

WINDOWS = ((0, 30), (0, 90), (0, 240), (1, 120), (2, 120))
"""Position in `features.keys.KEYS` (airport, airline, destination), and minutes either way."""
EVIDENCE = 5.0
"""Weight of the prior in flights."""
_APART = 10**8
"""Offset between groups in minutes: more than between 1970 and the end of the calendar."""


class Neighbours:
    """Transformer that writes the late share of the flights scheduled just before and after.

    Where rows are held out at random, other flights of the same hour are in the training set. A
    training flight's own outcome is not included.
    """

    key: ClassVar[str] = "neighbours"
    learns_outcomes: ClassVar[bool] = True
    names: ClassVar[tuple[str, ...]] = tuple(
        f"{('airport', 'airline', 'destination')[kind]}_late_within_{minutes}m"
        for kind, minutes in WINDOWS
    )
    categorical: ClassVar[tuple[str, ...]] = ()
    monotone: ClassVar[tuple[str, ...]] = names

    def __init__(self) -> None:
        self._keys = FlightKeys()
        self._late = np.empty(0)
        self._groups: IntArray = np.empty((0, 3), dtype=np.int64)
        self._departure: IntArray = np.empty(0, dtype=np.int64)

    def fit(self, flights: Flights, outcomes: Outcomes | None = None) -> Self:
        """Keep the outcomes of the training flights."""
        if outcomes is not None:
            self._keys = FlightKeys.of(flights)
            self._groups = self._keys.numbers(flights)[:, :3]
            self._departure, self._late = flights.departure, outcomes.delayed.astype(float)
        return self

    def write(self, flights: Flights, out: FloatMatrix) -> None:
        """Write the columns of held-out flights."""
        self._write(flights, out, np.zeros(len(flights)), np.zeros(len(flights)))

    def point_in_time(self, flights: Flights, as_of: IntArray, out: FloatMatrix) -> None:  # noqa: ARG002 - both sides of a flight are used
        """Write the columns of the training flights, in the order of the fit."""
        self._write(flights, out, np.ones(len(flights)), self._late)

    def to_json(self) -> JsonObject:
        """Return nothing: this transformer is not in any saved model."""
        return {}

    @classmethod
    def from_json(cls, saved: JsonObject) -> Self:  # noqa: ARG003 - there is no state
        """Return an empty transformer."""
        return cls()

    def _write(
        self, flights: Flights, out: FloatMatrix, own: FloatMatrix, own_late: FloatMatrix
    ) -> None:
        groups = self._keys.numbers(flights)[:, :3]
        for column, (kind, minutes) in enumerate(WINDOWS):
            seen = self._groups[:, kind] * _APART + self._departure
            order = np.argsort(seen, kind="stable")
            late = np.concatenate([[0.0], np.cumsum(self._late[order])])
            at = groups[:, kind] * _APART + flights.departure
            start = np.searchsorted(seen[order], at - minutes, side="left")
            stop = np.searchsorted(seen[order], at + minutes, side="right")
            others_late = late[stop] - late[start] - own_late
            out[:, column] = (others_late + EVIDENCE * PRIOR) / (stop - start - own + EVIDENCE)
