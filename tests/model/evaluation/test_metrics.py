"""The figures of the protocol against numbers worked out by hand."""

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
    """Every figure of a tiny example is the one worked out by hand."""
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
            # a bin for each flight
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
    """Where no flight reaches the threshold the figures are 0, and nobody warns."""
    found = figures(LATE, PROBABILITY, np.full(4, 0.5), threshold=0.95)
    assert (found["precision"], found["recall"], found["f1"]) == (0, 0, 0)


@pytest.mark.parametrize("late", [True, False])
def test_flights_that_all_ended_alike_have_figures(late: bool) -> None:
    """With one outcome only, nothing can be ranked; all else is a number, and nobody warns."""
    found = figures(np.full(4, late), PROBABILITY, np.full(4, 0.5), threshold=0.5)
    assert found["auc"] is None
    assert found["ap"] is None
    missed = np.abs(late - PROBABILITY)
    assert found["brier"] == pytest.approx(np.mean(missed**2))
    assert found["log_loss"] == pytest.approx(-np.log1p(-missed).mean())
    assert found["log_loss_constant"] == pytest.approx(log(2))
    assert {type(found[name]) for name in FIGURES[2:]} == {float}


def test_figures_are_plain_numbers() -> None:
    """Every figure is a float of Python's own, as JSON wants it."""
    found = figures(LATE, PROBABILITY, np.full(4, 0.5), threshold=0.5)
    assert {type(value) for value in found.values()} == {float}


def test_a_perfect_predictor_has_no_calibration_error() -> None:
    """Where of every hundred flights at n % exactly n are late, the error is 0."""
    said = np.repeat(np.arange(10) / 10, 100)
    late = np.concatenate([np.arange(100) < n * 10 for n in range(10)])
    assert calibration_error(late, said) == pytest.approx(0, abs=1e-12)


def test_a_bold_predictor_is_off_by_what_it_overstates() -> None:
    """Who says 90 % where 10 % are late is off by 80 points."""
    late = np.tile(np.arange(10) == 0, 100)
    assert calibration_error(late, np.full(1000, 0.9)) == pytest.approx(0.8)


def test_errors_of_either_sign_do_not_cancel() -> None:
    """Half too high and half too low by 30 points is an error of 30 points."""
    late = np.tile([True, False], 500)
    said = np.repeat([0.2, 0.8], 500)
    assert calibration_error(late, said) == pytest.approx(0.3)


def test_random_outcomes_of_the_said_probability_are_nearly_calibrated() -> None:
    """Outcomes drawn by the probabilities themselves leave only noise."""
    random = np.random.default_rng(0)
    said = random.random(100_000)
    late = random.random(100_000) < said
    assert calibration_error(late, said) < 0.01
    assert calibration_error(late, said**2) > 0.1


def test_the_calibration_error_does_not_depend_on_the_order_of_flights() -> None:
    """Flights of equal probability may stand in any order."""
    said, late = np.full(1000, 0.5), np.arange(1000) < 500
    interleaved = np.tile([True, False], 500)
    assert calibration_error(late, said) == pytest.approx(calibration_error(interleaved, said))


@pytest.mark.parametrize(("flights", "bins"), [(1000, 10), (1003, 10), (7, 7), (1, 1)])
def test_bins_have_equal_mass(flights: int, bins: int) -> None:
    """Ten bins, or one per flight where there are fewer, differ by one flight at most."""
    random = np.random.default_rng(0)
    probability = random.random(flights)
    said, happened, count = reliability(random.random(flights) < probability, probability)
    assert len(said) == len(happened) == len(count) == bins
    assert count.sum() == flights
    assert count.max() - count.min() <= 1
    assert (np.diff(said) > 0).all()


def test_the_loss_of_single_flights_is_the_log_loss() -> None:
    """Its mean is scikit-learn's log loss, and each term is the logarithm of what came true."""
    loss = flight_log_loss(LATE, PROBABILITY)
    np.testing.assert_allclose(loss, -np.log([0.9, 0.4, 0.4, 0.9]), rtol=1e-14)
    random = np.random.default_rng(0)
    probability, late = random.random(1000), random.random(1000) < 0.2
    assert flight_log_loss(late, probability).mean() == pytest.approx(log_loss(late, probability))


def test_certainty_that_was_wrong_costs_much_but_not_everything() -> None:
    """Probabilities of exactly 0 and 1 have a finite loss."""
    loss = flight_log_loss(np.array([True, False, True, False]), np.array([0.0, 1.0, 1.0, 0.0]))
    assert np.isfinite(loss).all()
    assert loss[:2].min() > 30
    assert loss[2:].max() < 1e-12
