"""The champion gate: who is registered, who is not, and the sentence that says why."""

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
    """Mean log loss of each day, as uneven as days are."""
    return np.random.default_rng(seed).normal(0.45, 0.08, DAYS)


def _flights() -> FloatArray:
    drawn: FloatArray = np.random.default_rng(1).integers(120, 220, DAYS).astype(float)
    return drawn


def _noise(size: float, mean: float) -> FloatArray:
    """Differences by day of exactly this mean and spread."""
    drawn: FloatArray = np.random.default_rng(2).normal(size=DAYS)
    standard: FloatArray = (drawn - drawn.mean()) / drawn.std()
    return mean + size * standard


@pytest.fixture(scope="module")
def make(predictor: Predictor) -> Make:
    """Give a maker of models with a given mean log loss of each day."""

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
    """Where nothing is registered, anything may be."""
    verdict = judge(make(_losses()), None)
    assert verdict.accepted
    assert "first" in verdict.reason


def test_the_same_model_is_accepted(make: Make) -> None:
    """A model is not worse than itself."""
    verdict = judge(make(_losses()), make(_losses()))
    assert verdict.accepted
    assert "difference +0.0000" in verdict.reason


def test_a_better_model_is_accepted(make: Make) -> None:
    """A lower log loss on most days passes."""
    assert judge(make(_losses() - _noise(0.02, 0.03)), make(_losses())).accepted


def test_a_clearly_worse_model_is_refused(make: Make) -> None:
    """A higher log loss on nearly every day does not pass, and the figures are told."""
    verdict = judge(make(_losses() + _noise(0.02, 0.03)), make(_losses()))
    assert not verdict.accepted
    assert "worse beyond noise" in verdict.reason
    assert f"on {DAYS} days" in verdict.reason


def test_a_slightly_worse_model_is_accepted(make: Make) -> None:
    """A difference that days so uneven cannot prove is no reason to refuse."""
    worse = _losses() + _noise(0.08, 0.004)
    verdict = judge(make(worse), make(_losses()))
    assert worse.mean() > _losses().mean()
    assert verdict.accepted
    assert "not worse beyond noise" in verdict.reason


def test_the_same_difference_on_even_days_is_refused(make: Make) -> None:
    """It is the noise between days that decides, not the size of the difference."""
    verdict = judge(make(_losses() + _noise(0.008, 0.004)), make(_losses()))
    assert not verdict.accepted


@pytest.mark.parametrize(("errors", "accepted"), [(1.8, True), (2.2, False)])
def test_two_standard_errors_are_the_limit(make: Make, errors: float, accepted: bool) -> None:
    """On days of equal size, the limit lies at twice the standard error of the mean."""
    flights = np.full(DAYS, 100.0)
    size = 0.05
    worse = _losses() + _noise(size, errors * size / np.sqrt(DAYS))
    champion = make(_losses(), flights=flights)
    assert judge(make(worse, flights=flights), champion).accepted is accepted


def test_the_log_losses_told_are_per_flight(make: Make) -> None:
    """Days weigh by their flights in the figures of the reason."""
    flights = np.where(np.arange(DAYS) < 100, 300.0, 100.0)
    ours = np.where(np.arange(DAYS) < 100, 0.4, 0.6)
    theirs = np.full(DAYS, 0.5)
    reason = judge(make(ours, flights=flights), make(theirs, flights=flights)).reason
    assert "log loss 0.4500 against 0.5000" in reason
    assert "difference -0.0500" in reason


def test_only_common_days_are_compared(make: Make) -> None:
    """How a challenger did on days that the champion never scored does not count."""
    losses = _losses()
    longer = np.concatenate([losses, np.full(DAYS, 9.0)])
    challenger = make(longer, flights=np.tile(_flights(), 2))
    verdict = judge(challenger, make(losses))
    assert verdict.accepted
    assert f"on {DAYS} days" in verdict.reason


def test_more_flights_on_a_day_are_not_more_loss(make: Make) -> None:
    """Where the two models scored different numbers of flights, the loss per flight decides."""
    verdict = judge(make(_losses(), flights=_flights() * 2), make(_losses()))
    assert verdict.accepted
    assert "difference +0.0000" in verdict.reason or "difference -0.0000" in verdict.reason


def test_without_common_days_nothing_is_compared(make: Make) -> None:
    """Models of different years cannot be compared; the newer passes, and that is said."""
    other_year = np.datetime64("2018-04-01")
    verdict = judge(make(_losses() + 1, start=other_year), make(_losses()))
    assert verdict.accepted
    assert verdict.reason == "not compared: only 0 scored days in common"


@pytest.mark.parametrize(("days", "accepted"), [(MINIMUM_DAYS - 1, True), (MINIMUM_DAYS, False)])
def test_a_few_common_days_are_not_enough(make: Make, days: int, accepted: bool) -> None:
    """A model far worse passes unjudged below the minimum of days, and is refused from there."""
    losses = _losses()[:days]
    verdict = judge(make(losses + 1), make(losses))
    assert verdict.accepted is accepted
    assert ("not compared" in verdict.reason) is accepted


def test_the_sample_does_not_replace_real_flights(make: Make) -> None:
    """However good its figures, a model of generated flights is refused."""
    verdict = judge(make(_losses() - 0.3, is_sample=True), make(_losses()))
    assert not verdict.accepted
    assert "trained on the embedded sample" in verdict.reason


def test_real_flights_replace_the_sample(make: Make) -> None:
    """However bad its figures, a model of real flights takes the place of a generated one."""
    verdict = judge(make(_losses() + 0.3), make(_losses(), is_sample=True))
    assert verdict.accepted
    assert "registered model was trained on the embedded sample" in verdict.reason


def test_two_models_of_the_sample_are_compared(make: Make) -> None:
    """Among generated flights the gate holds as among real ones."""
    champion = make(_losses(), is_sample=True)
    assert not judge(make(_losses() + 0.3, is_sample=True), champion).accepted


def test_a_skipped_evaluation_is_said(make: Make, predictor: Predictor) -> None:
    """Without an evaluation of its own a challenger passes, and the reason is told."""
    skipped = Bundle(predictor, {"data": {"is_sample": False}}, {})
    verdict = judge(skipped, make(_losses()))
    assert verdict.accepted
    assert "evaluation was skipped" in verdict.reason


def test_a_champion_without_evaluation_is_not_compared(make: Make, predictor: Predictor) -> None:
    """Where the registered model was never evaluated, nothing can be compared."""
    champion = Bundle(predictor, {"data": {"is_sample": False}}, {})
    verdict = judge(make(_losses()), champion)
    assert verdict.accepted
    assert "not compared" in verdict.reason


@pytest.mark.parametrize("loss", [np.nan, np.inf])
@pytest.mark.parametrize("first", [True, False])
def test_a_loss_that_is_no_number_is_refused(make: Make, loss: float, first: bool) -> None:
    """One day without a figure is enough, with a champion and without; the reason says so."""
    broken = _losses()
    broken[7] = loss
    verdict = judge(make(broken), None if first else make(_losses()))
    assert not verdict.accepted
    assert "log loss is not a number on 1 of its scored days" in verdict.reason


def test_a_champion_whose_loss_is_no_number_is_not_compared(make: Make) -> None:
    """A registered model without figures cannot keep a sound one out."""
    broken = _losses()
    broken[7] = np.nan
    verdict = judge(make(_losses()), make(broken))
    assert verdict.accepted
    assert "not compared" in verdict.reason
