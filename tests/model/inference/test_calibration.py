"""Test Platt scaling: it recovers known calibrations, keeps the order and does not overflow."""

from __future__ import annotations

import json
from math import exp

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.evaluation.metrics import BoolArray
from model.inference.calibration import Calibration, FloatArray, sigmoid

MARGINS = st.floats(min_value=-30, max_value=30)


def _draw(slope: float, intercept: float, n: int) -> tuple[FloatArray, BoolArray]:
    """Return margins, and outcomes that are drawn with a known calibration."""
    random = np.random.default_rng(0)
    margin = random.normal(-1.5, 1.0, n)
    return margin, random.random(n) < sigmoid(slope * margin + intercept)


@settings(derandomize=True, deadline=None)
@given(margin=MARGINS)
def test_the_sigmoid_is_the_logistic_function(margin: float) -> None:
    """The sigmoid equals 1 / (1 + exp(-margin)), and sigmoid(m) + sigmoid(-m) is 1."""
    value = float(sigmoid(np.array([margin]))[0])
    assert value == pytest.approx(1 / (1 + exp(-margin)), abs=1e-15)
    assert value + float(sigmoid(np.array([-margin]))[0]) == pytest.approx(1, abs=1e-15)


def test_extreme_margins_do_not_overflow() -> None:
    """Extreme margins give 0 and 1 without a floating-point error."""
    extreme = np.array([-np.inf, -1e308, -1e4, 0.0, 1e4, 1e308, np.inf])
    with np.errstate(all="raise"):
        assert sigmoid(extreme).tolist() == [0, 0, 0, 0.5, 1, 1, 1]
        assert Calibration(0.5, 1.0).apply(extreme)[[0, -1]].tolist() == [0, 1]


def test_extreme_margins_can_be_calibrated() -> None:
    """A fit on extreme margins is finite and keeps their order."""
    margin = np.linspace(-1000, 1000, 2000)
    calibration = Calibration.fit(margin, margin > 0)
    assert 0 < calibration.slope < np.inf
    assert np.isfinite(calibration.intercept)


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.0), (1.7, -0.4), (0.5, 0.6), (1.0, -1.0)])
def test_a_known_calibration_is_recovered(slope: float, intercept: float) -> None:
    """A fit on many flights finds the slope and intercept with which outcomes were drawn."""
    calibration = Calibration.fit(*_draw(slope, intercept, 200_000))
    assert calibration.slope == pytest.approx(slope, abs=0.03)
    assert calibration.intercept == pytest.approx(intercept, abs=0.04)


def test_the_mean_calibrated_probability_is_the_late_share() -> None:
    """The mean probability of many flights becomes the late share."""
    margin, late = _draw(1.7, -0.4, 50_000)
    calibrated = Calibration.fit(margin, late).apply(margin)
    assert abs(sigmoid(margin).mean() - late.mean()) > 0.02
    assert calibrated.mean() == pytest.approx(late.mean(), abs=0.001)


@pytest.mark.parametrize("late", [False, True])
def test_a_few_flights_change_little(late: bool) -> None:
    """Five flights of one outcome change the margins only a little."""
    margin = np.linspace(-3, 0, 5)
    calibration = Calibration.fit(margin, np.full(5, late))
    assert calibration.slope == pytest.approx(1, abs=0.15)
    assert calibration.intercept == pytest.approx(0, abs=0.15)


def test_more_flights_give_a_better_fit() -> None:
    """The error of the slope falls with the number of flights."""
    margin, late = _draw(2.0, 0.5, 30_000)
    errors = [
        abs(Calibration.fit(margin[:n], late[:n]).slope - 2.0) for n in (10, 100, 1000, 30_000)
    ]
    assert errors == sorted(errors, reverse=True)


def test_margins_without_spread_can_be_calibrated() -> None:
    """A fit on equal margins corrects the level."""
    calibration = Calibration.fit(np.zeros(1000), np.arange(1000) % 4 == 0)
    assert calibration.apply(np.zeros(1))[0] == pytest.approx(0.25, abs=0.05)


@settings(derandomize=True, deadline=None)
@given(margins=st.lists(MARGINS, min_size=2, max_size=20).map(sorted))
def test_the_order_of_flights_is_kept(margins: list[float]) -> None:
    """A higher margin never gets a lower probability."""
    calibration = Calibration.fit(*_draw(1.7, -0.4, 500))
    assert calibration.slope > 0
    assert (np.diff(calibration.apply(np.array(margins))) >= 0).all()


def test_no_calibration_is_the_plain_sigmoid() -> None:
    """The default calibration equals the sigmoid."""
    margin = np.linspace(-5, 5, 101)
    assert (Calibration().apply(margin) == sigmoid(margin)).all()


def test_a_calibration_survives_being_saved() -> None:
    """A calibration read back from JSON is equal to the last bit."""
    calibration = Calibration.fit(*_draw(1.7, -0.4, 500))
    assert Calibration.from_json(json.loads(json.dumps(calibration.to_json()))) == calibration
