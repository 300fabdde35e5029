"""The statistical test of a refit's gain."""

from __future__ import annotations

import numpy as np
import pytest

from model.inference.calibration import FloatArray
from monitor.shadow import QUIET_WEEKS, Gain, gain
from monitor.weekly_flights import first_day


def _compare(seed: int, stale: float, weeks: int = 4) -> Gain:
    """Compare two models; the served one has `stale` more error in its log-odds."""
    random = np.random.default_rng(seed)
    day = np.repeat(first_day(2450) + np.arange(7 * weeks), 150)
    truth = random.normal(-1.5, 0.8, len(day))
    late = (random.random(len(day)) < _sigmoid(truth)).astype(float)
    served, shadow = (
        _sigmoid(truth + random.normal(0, error, len(day))) for error in (0.5 + stale, 0.5)
    )
    return gain(day, late, served, shadow)


def _sigmoid(margin: FloatArray) -> FloatArray:
    return 1 / (1 + np.exp(-margin))


def test_stale_model_is_called() -> None:
    """A clearly worse model calls for a refit, with an interval above zero."""
    found = _compare(seed=0, stale=0.5)
    assert found.called
    assert 0 < found.low < found.gain < found.high
    assert (found.weeks, found.flights) == (4, 28 * 150)


def test_equal_models_are_called_as_rarely_as_stated() -> None:
    """Equally good models call for a refit at most about once in 52 times."""
    calls = sum(_compare(seed=seed, stale=0.0).called for seed in range(200))
    # 200/52 = 3.8 expected; 11 or more would be seen once in a thousand times
    assert calls <= 11


def test_better_model_is_never_called() -> None:
    """A worse shadow never calls for a refit."""
    assert not any(_compare(seed=seed, stale=-0.4).called for seed in range(20))


def test_sign_flips_are_exact() -> None:
    """Eight equal half weeks give the p-value of all signs being equal."""
    day = first_day(2450) + np.arange(28)
    late = np.ones(28)
    found = gain(day, late, np.full(28, 0.4), np.full(28, 0.5))
    assert found.p_value == pytest.approx(1 / 2**8)
    assert found.gain == pytest.approx(np.log(0.5 / 0.4))


def test_two_weeks_cannot_call() -> None:
    """Two weeks do not reach the level, however large the gain is."""
    found = _compare(seed=0, stale=2.0, weeks=2)
    assert found.p_value >= 1 / 16 > 1 / QUIET_WEEKS
    assert not found.called
