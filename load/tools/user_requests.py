"""Generate realistic requests: single flights, departure boards and invalid ones."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass

from load.tools.payloads import Flight

BOARD_FLIGHTS = (20, 200)
"""Fewest and most flights of a departure board."""


@dataclass(frozen=True)
class UserRequest:
    """Request payload with the statuses that are correct for it."""

    name: str
    body: str
    expected: frozenset[int]


class Scenarios:
    """Generator of random requests.

    Parameters
    ----------
    flights
        Flights in the format of the contract.
    seed
        The same seed generates the same requests.
    """

    def __init__(self, flights: Sequence[Flight], seed: int = 0) -> None:
        self._flights = flights
        self._random = random.Random(seed)  # noqa: S311 - no secret

    def single(self) -> UserRequest:
        """Return a request with one flight."""
        return _good("single", [self._random.choice(self._flights)])

    def board(self) -> UserRequest:
        """Return a request with the flights of a departure board."""
        size = self._random.randint(*BOARD_FLIGHTS)
        return _good("board", self._random.choices(self._flights, k=size))

    def broken(self) -> UserRequest:
        """Return an invalid request: truncated, a missing field, a wrong value or no flight."""
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
        return UserRequest("broken", body, frozenset({status}))


def _good(name: str, flights: Sequence[Flight]) -> UserRequest:
    return UserRequest(name, json.dumps({"flights": flights}), frozenset({200}))
