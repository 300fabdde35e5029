"""What people ask a flight delay service: one flight, a board of them, now and then nonsense."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass

from load.tools.payloads import Flight

BOARD_FLIGHTS = (20, 200)
"""Fewest and most flights of a departure board."""


@dataclass(frozen=True)
class Question:
    """A request body, and the statuses that are right for it."""

    name: str
    body: str
    expected: frozenset[int]


class Scenarios:
    """Draws questions at random.

    Parameters
    ----------
    flights
        Flights as the contract writes them.
    seed
        The same seed draws the same questions.
    """

    def __init__(self, flights: Sequence[Flight], seed: int = 0) -> None:
        self._flights = flights
        self._random = random.Random(seed)  # noqa: S311 - no secret

    def single(self) -> Question:
        """One flight: somebody's own."""
        return _good("single", [self._random.choice(self._flights)])

    def board(self) -> Question:
        """Flights of a departure board."""
        size = self._random.randint(*BOARD_FLIGHTS)
        return _good("board", self._random.choices(self._flights, k=size))

    def broken(self) -> Question:
        """A request that must be refused: cut short, a field missing, a wrong value, none."""
        flight = self._random.choice(self._flights)
        without = {name: value for name, value in flight.items() if name != "destination"}
        wrong = {**flight, "scheduled_departure": "tomorrow"}
        body, status = self._random.choice(
            [
                (json.dumps({"flights": [flight]})[:-5], 400),
                (json.dumps({"flights": [without]}), 422),
                (json.dumps({"flights": [flight, wrong]}), 422),
                (json.dumps({"flights": []}), 422),
            ]
        )
        return Question("broken", body, frozenset({status}))


def _good(name: str, flights: Sequence[Flight]) -> Question:
    return Question(name, json.dumps({"flights": flights}), frozenset({200}))
