"""What tests of the watch share: weeks of made-up flights whose truth is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from monitor.weekly_flights import Watched, first_day

FIRST_WEEK = 2450
FLIGHTS_PER_DAY = 60
Make = Callable[..., Watched]


@pytest.fixture
def make() -> Make:
    """Return a maker of scored flights: two features, of which the first decides who is late."""

    def made(weeks: int, *, seed: int = 0, shift: float = 0.0, bias: float = 0.0) -> Watched:
        random = np.random.default_rng(seed)
        day = np.repeat(first_day(FIRST_WEEK) + np.arange(7 * weeks), FLIGHTS_PER_DAY)
        restless = np.repeat(random.normal(0, 0.3, 7 * weeks), FLIGHTS_PER_DAY)
        driver = random.normal(shift, 1.0, len(day))
        kind = random.integers(0, 3, len(day)).astype(float)
        said = 1 / (1 + np.exp(1.5 - driver))
        truly = 1 / (1 + np.exp(1.5 - driver - restless - bias))
        return Watched(
            day=day,
            matrix=np.column_stack([driver, kind]),
            probability=said,
            late=(random.random(len(day)) < truly).astype(float),
            unseen=np.zeros((len(day), 2), dtype=bool),
            row=np.arange(len(day)),
        )

    return made
