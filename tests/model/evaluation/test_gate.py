"""Test which models the champion gate accepts, and the reasons it gives."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from model.evaluation.gate import GATE_PROTOCOL, MINIMUM_DAYS, judge
from model.inference.bundle import Bundle
from model.inference.calibration import FloatArray
from model.inference.predictor import Predictor

DAYS = 200
START = np.datetime64("2017-04-01")

Make = Callable[..., Bundle]


def _losses(seed: int = 0) -> FloatArray:
    """Return the mean log loss of each day, with the noise of real days."""
    return np.random.default_rng(seed).normal(0.45, 0.08, DAYS)


def _flights() -> FloatArray:
    drawn: FloatArray = np.random.default_rng(1).integers(120, 220, DAYS).astype(float)
    return drawn


def _noise(size: float, mean: float) -> FloatArray:
    """Return differences by day of exactly this mean and standard deviation."""
    drawn: FloatArray = np.random.default_rng(2).normal(size=DAYS)
    standard: FloatArray = (drawn - drawn.mean()) / drawn.std()
    return mean + size * standard


@pytest.fixture(scope="module")
def make(predictor: Predictor) -> Make:
    """Return a function that makes a bundle with a given mean log loss of each day."""

    def made(
        losses: FloatArray,
        *,
        flights: FloatArray | None = None,
        start: np.datetime64 = START,
        is_sample: bool = False,
    ) -> Bundle:
        counts = _flights()[: len(losses)] if flights is None else flights
        days = start + np.arange(len(losses))
        by_day = {
            str(day): [int(n), float(loss * n)]
            for day, n, loss in zip(days, counts, losses, strict=True)
        }
        evaluation = {GATE_PROTOCOL: {"by_day": by_day}}
        return Bundle(predictor, {"data": {"is_sample": is_sample}}, evaluation)

    return made


def test_the_first_model_is_accepted(make: Make) -> None:
    """The first model of a name is accepted."""
    verdict = judge(make(_losses()), None)
    assert verdict.accepted
    assert "first" in verdict.reason


def test_the_same_model_is_accepted(make: Make) -> None:
    """A model passes the gate against itself."""
    verdict = judge(make(_losses()), make(_losses()))
    assert verdict.accepted
    assert "difference +0.0000" in verdict.reason


def test_a_better_model_is_accepted(make: Make) -> None:
    """A model with a lower log loss on most days passes."""
    assert judge(make(_losses() - _noise(0.02, 0.03)), make(_losses())).accepted


def test_a_clearly_worse_model_is_refused(make: Make) -> None:
    """A model with a higher log loss on nearly every day fails, and the reason has figures."""
    verdict = judge(make(_losses() + _noise(0.02, 0.03)), make(_losses()))
    assert not verdict.accepted
    assert "worse beyond noise" in verdict.reason
    assert f"on {DAYS} days" in verdict.reason


def test_a_slightly_worse_model_is_accepted(make: Make) -> None:
    """A difference within the noise between days passes."""
    worse = _losses() + _noise(0.08, 0.004)
    verdict = judge(make(worse), make(_losses()))
    assert worse.mean() > _losses().mean()
    assert verdict.accepted
    assert "not worse beyond noise" in verdict.reason


def test_the_same_difference_on_even_days_is_refused(make: Make) -> None:
    """A small difference fails when the noise between days is small."""
    verdict = judge(make(_losses() + _noise(0.008, 0.004)), make(_losses()))
    assert not verdict.accepted


@pytest.mark.parametrize(("errors", "accepted"), [(1.8, True), (2.2, False)])
def test_two_standard_errors_are_the_limit(make: Make, errors: float, accepted: bool) -> None:
    """On days of equal size, the limit is twice the standard error of the mean."""
    flights = np.full(DAYS, 100.0)
    size = 0.05
    worse = _losses() + _noise(size, errors * size / np.sqrt(DAYS))
    champion = make(_losses(), flights=flights)
    assert judge(make(worse, flights=flights), champion).accepted is accepted


def test_the_log_losses_of_the_reason_are_per_flight(make: Make) -> None:
    """Days are weighted by their flights in the figures of the reason."""
    flights = np.where(np.arange(DAYS) < 100, 300.0, 100.0)
    ours = np.where(np.arange(DAYS) < 100, 0.4, 0.6)
    theirs = np.full(DAYS, 0.5)
    reason = judge(make(ours, flights=flights), make(theirs, flights=flights)).reason
    assert "log loss 0.4500 against 0.5000" in reason
    assert "difference -0.0500" in reason


def test_only_common_days_are_compared(make: Make) -> None:
    """Days that the champion never scored do not count."""
    losses = _losses()
    longer = np.concatenate([losses, np.full(DAYS, 9.0)])
    challenger = make(longer, flights=np.tile(_flights(), 2))
    verdict = judge(challenger, make(losses))
    assert verdict.accepted
    assert f"on {DAYS} days" in verdict.reason


def test_more_flights_on_a_day_are_not_more_loss(make: Make) -> None:
    """The loss per flight decides when the models scored different numbers of flights."""
    verdict = judge(make(_losses(), flights=_flights() * 2), make(_losses()))
    assert verdict.accepted
    assert "difference +0.0000" in verdict.reason or "difference -0.0000" in verdict.reason


def test_without_common_days_nothing_is_compared(make: Make) -> None:
    """A model of another year passes, and the reason says that nothing was compared."""
    other_year = np.datetime64("2018-04-01")
    verdict = judge(make(_losses() + 1, start=other_year), make(_losses()))
    assert verdict.accepted
    assert verdict.reason == "not compared: only 0 scored days in common"


@pytest.mark.parametrize(("days", "accepted"), [(MINIMUM_DAYS - 1, True), (MINIMUM_DAYS, False)])
def test_a_few_common_days_are_not_enough(make: Make, days: int, accepted: bool) -> None:
    """A far worse model passes below the minimum of common days, and fails from there."""
    losses = _losses()[:days]
    verdict = judge(make(losses + 1), make(losses))
    assert verdict.accepted is accepted
    assert ("not compared" in verdict.reason) is accepted


def test_the_sample_does_not_replace_real_flights(make: Make) -> None:
    """A model of generated flights does not replace one of real flights, whatever its figures."""
    verdict = judge(make(_losses() - 0.3, is_sample=True), make(_losses()))
    assert not verdict.accepted
    assert "trained on the embedded sample" in verdict.reason


def test_real_flights_replace_the_sample(make: Make) -> None:
    """A model of real flights replaces one of generated flights, whatever its figures."""
    verdict = judge(make(_losses() + 0.3), make(_losses(), is_sample=True))
    assert verdict.accepted
    assert "registered model was trained on the embedded sample" in verdict.reason


def test_two_models_of_the_sample_are_compared(make: Make) -> None:
    """The gate compares two models of generated flights."""
    champion = make(_losses(), is_sample=True)
    assert not judge(make(_losses() + 0.3, is_sample=True), champion).accepted


def test_a_skipped_evaluation_is_in_the_reason(make: Make, predictor: Predictor) -> None:
    """A challenger without an evaluation passes, and the reason says so."""
    skipped = Bundle(predictor, {"data": {"is_sample": False}}, {})
    verdict = judge(skipped, make(_losses()))
    assert verdict.accepted
    assert "evaluation was skipped" in verdict.reason


def test_a_champion_without_evaluation_is_not_compared(make: Make, predictor: Predictor) -> None:
    """A challenger passes when the registered model was never evaluated."""
    champion = Bundle(predictor, {"data": {"is_sample": False}}, {})
    verdict = judge(make(_losses()), champion)
    assert verdict.accepted
    assert "not compared" in verdict.reason


@pytest.mark.parametrize("loss", [np.nan, np.inf])
@pytest.mark.parametrize("first", [True, False])
def test_a_loss_that_is_no_number_is_refused(make: Make, loss: float, first: bool) -> None:
    """One day with a NaN or infinite loss is refused, with and without a champion."""
    broken = _losses()
    broken[7] = loss
    verdict = judge(make(broken), None if first else make(_losses()))
    assert not verdict.accepted
    assert "log loss is not a number on 1 of its scored days" in verdict.reason


def test_a_champion_whose_loss_is_no_number_is_not_compared(make: Make) -> None:
    """A challenger passes when the loss of the registered model is not a number."""
    broken = _losses()
    broken[7] = np.nan
    verdict = judge(make(_losses()), make(broken))
    assert verdict.accepted
    assert "not compared" in verdict.reason
