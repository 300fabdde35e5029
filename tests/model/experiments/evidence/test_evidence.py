"""Check upper bounds, learning curves, quantiles of the delay and the leak."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from model.errors import TooFewFlights
from model.experiments.evidence import learning_curve
from model.experiments.evidence.ceiling import _ceiling, _of_beta, _others, oracle, repeated_flights
from model.experiments.evidence.leak import judge_leak
from model.experiments.evidence.minutes import correction, judge_minutes
from model.experiments.run.work_list import FoldCache


def test_a_ceiling_finds_the_rates_that_made_the_flights() -> None:
    """The spread of the groups' rates and the AUC of knowing them follow from outcomes alone."""
    random = np.random.default_rng(0)
    rates = random.beta(2, 8, 4000)
    group = np.repeat(np.arange(4000), 12)
    late = random.random(len(group)) < rates[group]
    found = _ceiling(group.astype(object), late)
    assert found["standard_deviation"] == pytest.approx(rates.std(), rel=0.05)
    known = rates[group]
    pairs = (random.choice(known[late], 100_000), random.choice(known[~late], 100_000))
    assert found["auc"] == pytest.approx((pairs[0] > pairs[1]).mean(), abs=0.01)
    loss = -(rates * np.log(rates) + (1 - rates) * np.log(1 - rates)).mean()
    assert found["log_loss"] == pytest.approx(loss, abs=0.005)


def test_random_groups_have_no_information() -> None:
    """Random groups have an upper bound of nearly .5."""
    random = np.random.default_rng(1)
    late = random.random(20_000) < 0.2
    found = _ceiling(random.integers(0, 500, 20_000).astype(object), late)
    assert found["auc"] < 0.55


def test_certain_rates_give_an_auc_near_one() -> None:
    """Rates near 0 or 1 give an AUC near 1 and a log loss near 0."""
    auc, loss = _of_beta(0.2, 0.2 * 0.8 * 0.99)
    assert auc > 0.99
    assert loss < 0.05


def test_an_oracle_leaves_out_the_flight_itself() -> None:
    """The share of the others does not depend on a flight's own outcome."""
    group = np.array(["a", "a", "a", "b"], dtype=object)
    late = np.array([True, False, True, True])
    other = np.array([False, False, True, True])
    assert _others(group, late)[0] == _others(group, other)[0]
    assert _others(group, late)[1] > _others(group, other)[1]


def test_an_oracle_ranks_better(tiny: pd.DataFrame, cache: FoldCache) -> None:
    """The late share of all other flights of the day improves the ranking."""
    folds = cache.folds("E3.schedule")
    real = oracle(folds, tiny, ("day",))["E3.schedule"]["auc"]
    shuffled = oracle(folds, tiny.assign(delayed=_shuffled(tiny)), ("day",))["E3.schedule"]["auc"]
    assert real > 0.5
    assert real > shuffled


def _shuffled(frame: pd.DataFrame) -> np.ndarray:
    return np.random.default_rng(0).permutation(frame["delayed"].to_numpy())


def test_all_groups_are_measured(tiny: pd.DataFrame) -> None:
    """Each grouping has an upper bound of at least .5."""
    found = repeated_flights(tiny)
    assert "day" in found
    assert all(0.5 <= each["auc"] <= 1 for each in found.values())


def test_a_curve_ends_at_all_flights(tiny: pd.DataFrame) -> None:
    """More months have more flights; points with too few are left out."""
    points = learning_curve.by_months(tiny)["points"]
    assert points
    flights = [point["flights"] for point in points]
    assert flights == sorted(set(flights))
    assert points[-1]["at"] == max(learning_curve.MONTHS)


def test_a_curve_without_flights_has_no_points(
    tiny: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A curve has no points if every part is too small to learn from."""

    def refuse(*_: object) -> None:
        raise TooFewFlights

    monkeypatch.setattr(learning_curve, "make_fold", refuse)
    assert learning_curve.by_share(tiny, "E2") == {"points": []}


def test_a_correction_has_the_nominal_coverage() -> None:
    """Later flights of the same distribution are covered at the nominal rate."""
    random = np.random.default_rng(0)
    delay, predicted = random.normal(10, 20, 5000), np.zeros(5000)
    shift = correction(0.9, delay, predicted)
    later = random.normal(10, 20, 50_000)
    assert (later <= shift).mean() == pytest.approx(0.9, abs=0.01)


def test_quantiles_are_evaluated_by_month(tiny: pd.DataFrame, cache: FoldCache) -> None:
    """There are figures of two quantiles by month; the higher quantile covers more."""
    folds = cache.folds("E3.schedule")[-2:]
    found = judge_minutes(folds, tiny)["quantiles"]
    assert len(found) == 6
    assert all(len(each["by_month"]) == len(folds) for each in found.values())
    assert found["p90 boosted"]["coverage"] > found["p50 boosted"]["coverage"]


def test_resampling_before_the_split_raises_f1(tiny: pd.DataFrame) -> None:
    """The leak raises F1 by more than any model does."""
    found = judge_leak(tiny)
    assert found["before"]["f1"] > found["after"]["f1"] + 0.2
