"""Measure whether a refit would help: a shadow model, refitted weekly, against the served model.

Every week's flights are scored by a shadow that was fitted on all outcomes before that week. The
difference in log loss on the same flights is the gain of a refit, free of the variation that
affects both models.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from data.flights import IntArray
from model.evaluation.metrics import flight_log_loss
from model.inference.calibration import FloatArray
from monitor.weekly_flights import first_day, week_of

WINDOW_WEEKS = 4
QUIET_WEEKS = 52
"""Accepted rate: one false call for a refit in this number of weeks, on average."""
LEAST_GAIN = 0.008
"""Log loss per flight that a refit must gain. Without any drift, one of two models fitted on as
many weeks is still better by chance: docs/decisions/0017-the-watch.md."""
LEAST_WEEKS = 3
"""Fewest weeks with which the test can reach its level."""
RESAMPLES = 2000
_FIRST_DAYS = 3
"""Half weeks are Monday to Wednesday and Thursday to Sunday."""


@dataclass(frozen=True, slots=True)
class Gain:
    """Gain of a refit.

    Attributes
    ----------
    gain, low, high
        Log loss per flight of the served model minus that of the shadow, with its 95 % interval by
        resampling days.
    p_value
        Of a gain at least as large if the true gain is at most `LEAST_GAIN`.
    flights, weeks
        Number of flights and weeks that were compared.
    """

    gain: float
    low: float
    high: float
    p_value: float
    flights: int
    weeks: int

    @property
    def called(self) -> bool:
        """Return whether the gain calls for a refit."""
        return self.gain > LEAST_GAIN and self.p_value <= 1 / QUIET_WEEKS


def gain(
    day: IntArray, late: FloatArray, served: FloatArray, shadow: FloatArray, *, test: bool = True
) -> Gain:
    """Compare the probabilities of two models on the same flights, shape ``(n,)``.

    The test asks whether the gain exceeds `LEAST_GAIN`. It flips the signs of the half weeks'
    excess gains in all combinations; half weeks, because a strike or bad weather lasts several
    days. It is exact if these differences are independent and symmetric around zero. At level
    1 / `QUIET_WEEKS`, weekly tests call in vain at most once in as many weeks on average, whatever
    the overlap of their windows. `test` is false for long spans, because the combinations double
    with each half week.

    References
    ----------
    Good, "Permutation, Parametric and Bootstrap Tests of Hypotheses", 3rd ed. 2005, chapter 3.
    """
    happened = late.astype(bool)
    difference = flight_log_loss(happened, served) - flight_log_loss(happened, shadow)
    days, position = np.unique(day, return_inverse=True)
    sums: FloatArray = np.bincount(position, weights=difference).astype(np.float64)
    counts = np.bincount(position).astype(np.float64)
    drawn = np.random.default_rng(0).integers(0, len(sums), (RESAMPLES, len(sums)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    p_value = _p_value(days, sums - LEAST_GAIN * counts) if test else float("nan")
    weeks = len(np.unique(week_of(days)))
    return Gain(float(difference.mean()), float(low), float(high), p_value, len(day), weeks)


def _p_value(days: IntArray, sums: FloatArray) -> float:
    week = week_of(days)
    half = 2 * week + (days - first_day(week) >= _FIRST_DAYS)
    _, position = np.unique(half, return_inverse=True)
    blocks = np.bincount(position, weights=sums)
    signs = np.array(list(product((-1.0, 1.0), repeat=len(blocks))))
    return float(np.mean(signs @ blocks >= blocks.sum() - 1e-12))
