"""Fixtures of the monitoring tests: weeks of generated flights with known probabilities."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from monitor.weekly_flights import ScoredFlights, first_day

FIRST_WEEK = 2450
FLIGHTS_PER_DAY = 60
Make = Callable[..., ScoredFlights]


@pytest.fixture
def make() -> Make:
    """Return a factory of scored flights with two features; the first one determines lateness."""

    def made(weeks: int, *, seed: int = 0, shift: float = 0.0, bias: float = 0.0) -> ScoredFlights:
        random = np.random.default_rng(seed)
        day = np.repeat(first_day(FIRST_WEEK) + np.arange(7 * weeks), FLIGHTS_PER_DAY)
        noise = np.repeat(random.normal(0, 0.3, 7 * weeks), FLIGHTS_PER_DAY)
        driver = random.normal(shift, 1.0, len(day))
        kind = random.integers(0, 3, len(day)).astype(float)
        said = 1 / (1 + np.exp(1.5 - driver))
        truly = 1 / (1 + np.exp(1.5 - driver - noise - bias))
        return ScoredFlights(
            day=day,
            matrix=np.column_stack([driver, kind]),
            probability=said,
            late=(random.random(len(day)) < truly).astype(float),
            unseen=np.zeros((len(day), 2), dtype=bool),
            row=np.arange(len(day)),
        )

    return made
