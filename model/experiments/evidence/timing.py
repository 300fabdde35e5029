"""What fitting and scoring cost, in processor time: neighbours on the machine count less in it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import numpy as np

from model.experiments.methods.table import Score, Table

T = TypeVar("T")

BATCH = 64
"""Flights that a busy service scores at once."""
BULK = 5000
ROUNDS = 5
SHORTEST_ROUND = 0.02
"""Seconds that one round takes at least: the clock ticks too coarsely for less."""


class Stopwatch:
    """Adds up the processor seconds of what runs inside it."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count the time until the end of the block."""
        start = time.process_time()
        try:
            yield
        finally:
            self.seconds += time.process_time() - start


def microseconds(score: Score, table: Table) -> dict[str, float]:
    """Microseconds per flight of scoring on one thread, features ready, by size of the batch."""
    return {
        "batch": _per_flight(score, table.pick(np.arange(min(BATCH, len(table))))),
        "bulk": _per_flight(score, table.pick(np.arange(min(BULK, len(table))))),
    }


def _per_flight(score: Score, table: Table) -> float:
    """The quickest of a few rounds: whatever disturbs a round can only make it longer."""
    score(table)
    rounds = [_round(lambda: score(table)) for _ in range(ROUNDS)]
    return 1e6 * min(rounds) / len(table)


def _round(call: Callable[[], T]) -> float:
    calls, start = 0, time.process_time()
    while (spent := time.process_time() - start) < SHORTEST_ROUND:
        call()
        calls += 1
    return spent / calls
