"""Ceilings, learning curves, minutes and the warning: each says what its figures claim."""

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
    """From outcomes alone: the spread of the groups' rates, and the AUC of knowing them."""
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


def test_groups_without_meaning_hold_nothing() -> None:
    """Flights dealt to groups at random: knowing the groups is worth nothing."""
    random = np.random.default_rng(1)
    late = random.random(20_000) < 0.2
    found = _ceiling(random.integers(0, 500, 20_000).astype(object), late)
    assert found["auc"] < 0.55


def test_certain_rates_have_no_doubt_left() -> None:
    """Rates that are all but 0 or 1 are an AUC of all but 1."""
    auc, loss = _of_beta(0.2, 0.2 * 0.8 * 0.99)
    assert auc > 0.99
    assert loss < 0.05


def test_an_oracle_is_not_told_a_flight_itself() -> None:
    """The share of the others does not change with a flight's own outcome."""
    group = np.array(["a", "a", "a", "b"], dtype=object)
    late = np.array([True, False, True, True])
    other = np.array([False, False, True, True])
    assert _others(group, late)[0] == _others(group, other)[0]
    assert _others(group, late)[1] > _others(group, other)[1]


def test_an_oracle_knows_more(tiny: pd.DataFrame, shelf: FoldCache) -> None:
    """Told how the day went for all others, the same method ranks better."""
    exams = shelf.exams("E3.schedule")
    told = oracle(exams, tiny, ("day",))["E3.schedule"]["auc"]
    nothing = oracle(exams, tiny.assign(delayed=_dealt(tiny)), ("day",))["E3.schedule"]["auc"]
    assert told > 0.5
    assert told > nothing


def _dealt(frame: pd.DataFrame) -> np.ndarray:
    return np.random.default_rng(0).permutation(frame["delayed"].to_numpy())


def test_all_groups_are_measured(tiny: pd.DataFrame) -> None:
    """Each grouping has its ceiling, above guessing."""
    found = repeated_flights(tiny)
    assert "day" in found
    assert all(0.5 <= each["auc"] <= 1 for each in found.values())


def test_a_curve_goes_up_to_all_flights(tiny: pd.DataFrame) -> None:
    """More months mean more flights; points with too few are left out."""
    points = learning_curve.by_months(tiny)["points"]
    assert points
    flights = [point["flights"] for point in points]
    assert flights == sorted(set(flights))
    assert points[-1]["at"] == max(learning_curve.MONTHS)


def test_a_curve_without_flights_has_no_points(
    tiny: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where every part is too small to learn from, nothing is claimed."""

    def refuse(*_: object) -> None:
        raise TooFewFlights

    monkeypatch.setattr(learning_curve, "exam_on", refuse)
    assert learning_curve.by_share(tiny, "E2") == {"points": []}


def test_a_correction_covers_what_it_says() -> None:
    """With the added minutes, so many flights of the same kind are covered."""
    random = np.random.default_rng(0)
    delay, said = random.normal(10, 20, 5000), np.zeros(5000)
    shift = correction(0.9, delay, said)
    later = random.normal(10, 20, 50_000)
    assert (later <= shift).mean() == pytest.approx(0.9, abs=0.01)


def test_minutes_are_judged_by_month(tiny: pd.DataFrame, shelf: FoldCache) -> None:
    """Nine months, three ways, two quantiles; the higher quantile covers more."""
    exams = shelf.exams("E3.schedule")[-2:]
    found = judge_minutes(exams, tiny)["quantiles"]
    assert len(found) == 6
    assert all(len(each["by_month"]) == len(exams) for each in found.values())
    assert found["p90 boosted"]["coverage"] > found["p50 boosted"]["coverage"]


def test_resampling_before_the_split_flatters(tiny: pd.DataFrame) -> None:
    """The warning holds: the leak alone lifts F1 by more than any model does."""
    found = judge_leak(tiny)
    assert found["before"]["f1"] > found["after"]["f1"] + 0.2
