"""Would a refit help? A shadow model, refitted every week, against the model in service.

Every week's flights are scored by a shadow that was fitted on all outcomes before that week, as a
refit on its Monday would have been. The difference in log loss on the same flights is what the
refit would have gained, free of the ups and downs that both models share.
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
"""Weeks in which one false call for a refit is accepted, on average."""
LEAST_GAIN = 0.008
"""Log loss per flight that a refit must gain. Where nothing drifts, of two models fitted on as many
weeks one is still the better, by the luck of its weeks: docs/decisions/0017-the-watch.md."""
LEAST_WEEKS = 3
"""Weeks below which the test cannot reach its level, whatever they say."""
RESAMPLES = 2000
_FIRST_DAYS = 3
"""Monday to Wednesday, Thursday to Sunday: half weeks change signs together."""


@dataclass(frozen=True, slots=True)
class Gain:
    """What a refit would have gained.

    Attributes
    ----------
    gain
        Log loss per flight of the served model above that of the shadow.
    low, high
        Bounds of its 95 % interval, by resampling days.
    p_value
        Of a gain at least as large where it is `LEAST_GAIN` at the most.
    flights, weeks
        That were compared.
    """

    gain: float
    low: float
    high: float
    p_value: float
    flights: int
    weeks: int

    @property
    def called(self) -> bool:
        """Whether it calls for a refit."""
        return self.gain > LEAST_GAIN and self.p_value <= 1 / QUIET_WEEKS


def gain(
    day: IntArray, late: FloatArray, served: FloatArray, shadow: FloatArray, *, test: bool = True
) -> Gain:
    """Compare two models on the same flights with outcomes, day by day.

    The test asks whether the gain is more than `LEAST_GAIN`. It changes the sign of what each half
    week gains beyond that in every combination: half weeks, because a strike or a storm lasts some
    days. It is exact where these differences are independent and symmetric around zero. Tested
    once a week at level one in `QUIET_WEEKS`, it then calls in vain at most once in as many weeks,
    on average, however much windows overlap.

    Parameters
    ----------
    day, late, served, shadow
        Of each flight: day, outcome and both probabilities, shape ``(n,)``.
    test
        Whether to test: the combinations double with every half week, so only for some weeks.

    References
    ----------
    Good, "Permutation, Parametric and Bootstrap Tests of Hypotheses", 3rd ed. 2005, chapter 3.
    """
    happened = late.astype(bool)
    difference = flight_log_loss(happened, served) - flight_log_loss(happened, shadow)
    days, position = np.unique(day, return_inverse=True)
    sums: FloatArray = np.bincount(position, weights=difference).astype(np.float64)
    counts = np.bincount(position).astype(np.float64)
    low, high = _interval(sums, counts)
    return Gain(
        gain=float(difference.mean()),
        low=low,
        high=high,
        p_value=_p_value(days, sums - LEAST_GAIN * counts) if test else float("nan"),
        flights=len(day),
        weeks=len(np.unique(week_of(days))),
    )


def _p_value(days: IntArray, sums: FloatArray) -> float:
    week = week_of(days)
    half = 2 * week + (days - first_day(week) >= _FIRST_DAYS)
    _, position = np.unique(half, return_inverse=True)
    blocks = np.bincount(position, weights=sums)
    signs = np.array(list(product((-1.0, 1.0), repeat=len(blocks))))
    return float(np.mean(signs @ blocks >= blocks.sum() - 1e-12))


def _interval(sums: FloatArray, counts: FloatArray) -> tuple[float, float]:
    drawn = np.random.default_rng(0).integers(0, len(sums), (RESAMPLES, len(sums)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
