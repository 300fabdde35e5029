"""Check the result of a run: figures of the protocol, thresholds, consequences, times."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from model.evaluation.metrics import flight_log_loss
from model.evaluation.protocols import PROTOCOLS, evaluate
from model.experiments.evidence.thresholds import best_f1, consequences, fixed_rules
from model.experiments.evidence.timing import microseconds
from model.experiments.methods.boosted import Boosted
from model.experiments.methods.logistic_regression import TreesAndLogistic
from model.experiments.run.attempt import THRESHOLD_FREE, run
from model.experiments.run.folds import GROUPS
from model.experiments.run.work_list import FoldCache
from model.training.fit import TrainingConfig

ROUNDS = 4


def test_figures_are_those_of_the_protocol(
    tiny: pd.DataFrame, cache: FoldCache, group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The served method has the figures that `train.py` evaluates."""
    for name in set(PROTOCOLS) - set(GROUPS[group]):
        monkeypatch.setitem(PROTOCOLS, name, lambda _frame: iter(()))
    expected, _ = evaluate(tiny, TrainingConfig(rounds=ROUNDS), [0])
    found = run(TreesAndLogistic(Boosted(rounds=ROUNDS)), group, cache.folds(group), tiny, 0)[
        "protocols"
    ]
    assert set(found) == set(GROUPS[group])
    for protocol, each in found.items():
        assert {name: each[name] for name in THRESHOLD_FREE} == {
            name: expected[protocol][name] for name in THRESHOLD_FREE
        }


def test_losses_by_day_sum_to_the_log_loss(tiny: pd.DataFrame, cache: FoldCache) -> None:
    """Flights and losses by day sum to the totals."""
    folds = cache.folds("E3.schedule")
    found = run(Boosted(rounds=2), "E3.schedule", folds, tiny, 1)
    each = found["protocols"]["E3.schedule"]
    flights, loss = np.sum(list(each["by_day"].values()), axis=0)
    assert flights == each["n"]
    assert loss / flights == pytest.approx(each["log_loss"], abs=1e-4)
    assert found["microseconds"] is None


def test_thresholds_come_from_months_before(tiny: pd.DataFrame, cache: FoldCache) -> None:
    """Inverted outcomes of the last month change no threshold."""
    folds = cache.folds("E3.schedule")
    last = folds[-1].rows.test
    inverted = tiny.copy()
    inverted.loc[last, "delayed"] = ~inverted.loc[last, "delayed"]
    before, after = (
        run(Boosted(rounds=2), "E3.schedule", folds, frame, 0)["protocols"]["E3.schedule"]["rules"]
        for frame in (tiny, inverted)
    )
    assert before["f1"]["threshold"] == after["f1"]["threshold"]
    assert before["f1"]["f1"] != after["f1"]["f1"]
    first = len(folds[0].rows.test)
    assert before["f1"]["n"] == before["half"]["n"] - first


def test_the_best_threshold_has_the_highest_f1() -> None:
    """No other threshold has a higher F1."""
    random = np.random.default_rng(0)
    probability = random.random(400)
    late = random.random(400) < probability * 0.6
    best = best_f1(late, probability)

    def f1(threshold: float) -> float:
        return consequences(late, probability, np.full(400, threshold))["f1"]

    assert f1(best) == max(f1(each) for each in probability)


def test_consequences_are_counted() -> None:
    """Four flights give one hit, one false alarm, one miss and one true negative."""
    late = np.array([True, False, True, False, True])
    probability = np.array([0.9, 0.8, 0.1, 0.2, 0.9])
    threshold = np.array([0.5, 0.5, 0.5, 0.5, np.nan])
    found = consequences(late, probability, threshold)
    assert found["precision"] == found["recall"] == found["f1"] == found["alarms"] == 0.5
    assert found["cost"] == (3 + 1) / 4
    assert found["n"] == 4


def test_fixed_rules_do_not_depend_on_scores() -> None:
    """The thresholds are a half, the training late share, and that of the costs."""
    rules = fixed_rules(np.array([0.15, 0.2]))
    assert {name: rule.tolist() for name, rule in rules.items()} == {
        "half": [0.5, 0.5],
        "base": [0.15, 0.2],
        "cost": [0.25, 0.25],
    }


def test_times_are_per_flight(cache: FoldCache) -> None:
    """Slower scoring has more microseconds per flight."""
    table = cache.folds("E1")[0].scored["E1"]

    def quick(_table: object) -> np.ndarray:
        return np.zeros(1)

    def slow(_table: object) -> np.ndarray:
        return flight_log_loss(np.ones(200_000, dtype=bool), np.full(200_000, 0.3))

    fast, dear = microseconds(quick, table), microseconds(slow, table)
    assert 0 < fast["batch"] < dear["batch"]
    assert 0 < fast["bulk"] < dear["bulk"]
