"""Test the figures of the protocol against values computed by hand."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
from sklearn.metrics import log_loss

from model.evaluation.metrics import (
    FIGURES,
    calibration_error,
    figures,
    flight_log_loss,
    reliability,
)

LATE = np.array([True, False, True, False])
PROBABILITY = np.array([0.9, 0.6, 0.4, 0.1])


def test_the_figures_of_four_flights() -> None:
    """Every figure of a tiny example equals the one computed by hand."""
    found = figures(LATE, PROBABILITY, np.full(4, 0.5), threshold=0.5)
    assert tuple(found) == FIGURES
    assert found == pytest.approx(
        {
            "auc": 3 / 4,
            "ap": 0.5 * 1 + 0.5 * 2 / 3,
            "log_loss": -(log(0.9) + log(0.4)) / 2,
            "log_loss_constant": log(2),
            "brier": (0.01 + 0.36 + 0.36 + 0.01) / 4,
            "brier_constant": 0.25,
            # each flight is a bin of its own
            "ece": (0.1 + 0.6 + 0.6 + 0.1) / 4,
            "precision": 1 / 2,
            "recall": 1 / 2,
            "f1": 1 / 2,
        }
    )


def test_the_threshold_itself_counts_as_delayed() -> None:
    """A flight exactly at the threshold is an alarm."""
    found = figures(LATE, PROBABILITY, np.full(4, 0.5), threshold=0.4)
    assert found["precision"] == pytest.approx(2 / 3)
    assert found["recall"] == 1


def test_without_an_alarm_precision_is_nought() -> None:
    """If no flight reaches the threshold the figures are 0, without a warning."""
    found = figures(LATE, PROBABILITY, np.full(4, 0.5), threshold=0.95)
    assert (found["precision"], found["recall"], found["f1"]) == (0, 0, 0)


@pytest.mark.parametrize("late", [True, False])
def test_flights_that_all_ended_alike_have_figures(late: bool) -> None:
    """One outcome only gives no ranking figure, all other figures, and no warning."""
    found = figures(np.full(4, late), PROBABILITY, np.full(4, 0.5), threshold=0.5)
    assert found["auc"] is None
    assert found["ap"] is None
    missed = np.abs(late - PROBABILITY)
    assert found["brier"] == pytest.approx(np.mean(missed**2))
    assert found["log_loss"] == pytest.approx(-np.log1p(-missed).mean())
    assert found["log_loss_constant"] == pytest.approx(log(2))
    assert {type(found[name]) for name in FIGURES[2:]} == {float}


def test_figures_are_plain_numbers() -> None:
    """Every figure is a Python float, which JSON can encode."""
    found = figures(LATE, PROBABILITY, np.full(4, 0.5), threshold=0.5)
    assert {type(value) for value in found.values()} == {float}


def test_a_perfect_predictor_has_no_calibration_error() -> None:
    """If exactly n of every hundred flights at n % are late, the error is 0."""
    probability = np.repeat(np.arange(10) / 10, 100)
    late = np.concatenate([np.arange(100) < n * 10 for n in range(10)])
    assert calibration_error(late, probability) == pytest.approx(0, abs=1e-12)


def test_an_overconfident_predictor_has_the_error_of_its_gap() -> None:
    """A prediction of 90 % where 10 % are late has an error of 80 points."""
    late = np.tile(np.arange(10) == 0, 100)
    assert calibration_error(late, np.full(1000, 0.9)) == pytest.approx(0.8)


def test_errors_of_either_sign_do_not_cancel() -> None:
    """Half too high and half too low by 30 points is an error of 30 points."""
    late = np.tile([True, False], 500)
    probability = np.repeat([0.2, 0.8], 500)
    assert calibration_error(late, probability) == pytest.approx(0.3)


def test_outcomes_drawn_by_their_probability_are_nearly_calibrated() -> None:
    """Outcomes that are drawn by the probabilities leave an error below .01."""
    random = np.random.default_rng(0)
    probability = random.random(100_000)
    late = random.random(100_000) < probability
    assert calibration_error(late, probability) < 0.01
    assert calibration_error(late, probability**2) > 0.1


def test_the_calibration_error_does_not_depend_on_the_order_of_flights() -> None:
    """Flights of equal probability give the same error in any order."""
    probability, late = np.full(1000, 0.5), np.arange(1000) < 500
    interleaved = calibration_error(np.tile([True, False], 500), probability)
    assert calibration_error(late, probability) == pytest.approx(interleaved)


@pytest.mark.parametrize(("flights", "bins"), [(1000, 10), (1003, 10), (7, 7), (1, 1)])
def test_bins_have_equal_mass(flights: int, bins: int) -> None:
    """Ten bins, or one per flight if there are fewer, differ by at most one flight."""
    random = np.random.default_rng(0)
    probability = random.random(flights)
    predicted, observed, count = reliability(random.random(flights) < probability, probability)
    assert len(predicted) == len(observed) == len(count) == bins
    assert count.sum() == flights
    assert count.max() - count.min() <= 1
    assert (np.diff(predicted) > 0).all()


def test_the_loss_of_single_flights_is_the_log_loss() -> None:
    """Each loss is minus the logarithm of the probability of the outcome; the mean is sklearn's."""
    loss = flight_log_loss(LATE, PROBABILITY)
    np.testing.assert_allclose(loss, -np.log([0.9, 0.4, 0.4, 0.9]), rtol=1e-14)
    random = np.random.default_rng(0)
    probability, late = random.random(1000), random.random(1000) < 0.2
    assert flight_log_loss(late, probability).mean() == pytest.approx(log_loss(late, probability))


def test_a_certain_prediction_has_a_finite_loss() -> None:
    """Probabilities of exactly 0 and 1 have a finite loss, also when they are wrong."""
    loss = flight_log_loss(np.array([True, False, True, False]), np.array([0.0, 1.0, 1.0, 0.0]))
    assert np.isfinite(loss).all()
    assert loss[:2].min() > 30
    assert loss[2:].max() < 1e-12
