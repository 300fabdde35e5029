"""Measure fitting and scoring in processor time, which other processes disturb less."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import numpy as np

from model.experiments.methods.table import Score, Table

T = TypeVar("T")

BATCH = 64
"""Batch size of a service under load."""
BULK = 5000
ROUNDS = 5
SHORTEST_ROUND = 0.02
"""Minimal seconds of a round: the resolution of the clock is too coarse for less."""


class Stopwatch:
    """Stopwatch that adds up processor seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Add the time until the end of the block."""
        start = time.process_time()
        try:
            yield
        finally:
            self.seconds += time.process_time() - start


def microseconds(score: Score, table: Table) -> dict[str, float]:
    """Return microseconds per flight of scoring on one thread, without features, by batch size."""
    return {
        "batch": _per_flight(score, table.pick(np.arange(min(BATCH, len(table))))),
        "bulk": _per_flight(score, table.pick(np.arange(min(BULK, len(table))))),
    }


def _per_flight(score: Score, table: Table) -> float:
    """Return the fastest of a few rounds: disturbances only make a round longer."""
    score(table)
    rounds = [_round(lambda: score(table)) for _ in range(ROUNDS)]
    return 1e6 * min(rounds) / len(table)


def _round(call: Callable[[], T]) -> float:
    calls, start = 0, time.process_time()
    while (spent := time.process_time() - start) < SHORTEST_ROUND:
        call()
        calls += 1
    return spent / calls
