"""Test which rows each protocol fits and scores, and that no outcome leaks."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sklearn.model_selection import train_test_split
from sklearn.utils import shuffle

from data.flights import Flights
from model.errors import ModelError
from model.evaluation.metrics import FIGURES, BoolArray, figures, flight_log_loss
from model.evaluation.protocols import (
    PROTOCOLS,
    Fold,
    Scored,
    _run,
    evaluate,
    fold_count,
    random_split,
    split_by_day,
    walk_forward,
)
from model.inference.decision import Decision
from model.training.fit import MINIMUM_FLIGHTS, TrainingConfig, fit

CONFIG = TrainingConfig(rounds=5, decision=Decision(threshold=0.22))
SEEDS = (3, 4)


def _months(frame: pd.DataFrame) -> pd.Series[str]:
    months: pd.Series[str] = frame["scheduled_departure"].dt.strftime("%Y-%m")
    return months


def _changed_outcomes(frame: pd.DataFrame, rows: BoolArray, seed: int = 0) -> pd.DataFrame:
    """Return the frame with random outcomes in some of its rows."""
    random = np.random.default_rng(seed)
    changed = frame.copy()
    count = int(rows.sum())
    changed.loc[rows, "delay_minutes"] = random.integers(-30, 300, count).astype(float)
    changed["delayed"] = changed["delay_minutes"] > 15
    changed["actual_departure"] = changed["scheduled_departure"] + pd.to_timedelta(
        changed["delay_minutes"], unit="m"
    ).astype("timedelta64[s]")
    return changed


@pytest.fixture(scope="module")
def early(frame: pd.DataFrame) -> pd.DataFrame:
    """Return every ninth flight of the first three months."""
    return frame[_months(frame) <= "2017-03"].iloc[::9]


@pytest.fixture(scope="module")
def evaluated(few: pd.DataFrame) -> tuple[dict[str, Any], dict[str, Scored], list[Fold]]:
    """Return figures, scored flights and the folds that were reported as progress."""
    seen: list[Fold] = []
    report, scored = evaluate(few, CONFIG, SEEDS, seen.append)
    return report, scored, seen


def test_the_random_split_is_the_published_one(frame: pd.DataFrame) -> None:
    """The rows of the random split (E1) equal those of shuffling and splitting the file."""
    in_file_order = frame.sort_values("file_row").reset_index(drop=True)
    shuffled = shuffle(in_file_order[["file_row", "delayed"]], random_state=111)
    train, test, _, _ = train_test_split(
        shuffled[["file_row"]], shuffled["delayed"], test_size=0.33, random_state=42
    )
    (fold,) = random_split(frame)
    assert set(frame["file_row"].iloc[fold.train]) == set(train["file_row"])
    assert set(frame["file_row"].iloc[fold.test]) == set(test["file_row"])
    assert len(fold.train) + len(fold.test) == len(frame)


def test_the_random_split_does_not_depend_on_the_order_of_the_frame(few: pd.DataFrame) -> None:
    """A frame in another order gives the same rows of the file."""
    turned = few.iloc[::-1]
    (fold,), (same) = random_split(few), next(random_split(turned))
    assert set(few["file_row"].iloc[fold.test]) == set(turned["file_row"].iloc[same.test])


def test_the_split_by_day_keeps_days_together(frame: pd.DataFrame) -> None:
    """No calendar day is both fitted and scored, and all rows are scored exactly once."""
    day = frame["scheduled_departure"].dt.date.to_numpy()
    folds = list(split_by_day(frame))
    assert len(folds) == 5
    for fold in folds:
        assert not set(day[fold.train]) & set(day[fold.test])
        assert len(fold.train) + len(fold.test) == len(frame)
    scored = np.concatenate([fold.test for fold in folds])
    assert (np.sort(scored) == np.arange(len(frame))).all()


def test_folds_of_the_split_by_day_have_similar_sizes(frame: pd.DataFrame) -> None:
    """Each of the five folds scores about a fifth of the flights."""
    shares = [len(fold.test) / len(frame) for fold in split_by_day(frame)]
    assert min(shares) > 0.18
    assert max(shares) < 0.22


def test_too_few_days_are_refused(frame: pd.DataFrame) -> None:
    """Flights of fewer than five days give an error of this package."""
    days = frame["scheduled_departure"].dt.date
    with pytest.raises(ModelError):
        fold_count(frame[days.isin(days.unique()[:4])])


def test_walk_forward_scores_the_months_after_the_third(frame: pd.DataFrame) -> None:
    """April to December are scored in full, each fitted on exactly the months before it."""
    month = _months(frame).to_numpy()
    folds = list(walk_forward(frame))
    assert [fold.name for fold in folds] == [f"2017-{n:02}" for n in range(4, 13)]
    for fold in folds:
        assert set(month[fold.test]) == {fold.name}
        assert len(fold.test) == (month == fold.name).sum()
        assert month[fold.train].max() < fold.name
        assert len(fold.train) == (month < fold.name).sum()
    for earlier, later in pairwise(folds):
        assert len(later.train) == len(earlier.train) + len(earlier.test)


def test_later_months_change_no_earlier_fold(frame: pd.DataFrame) -> None:
    """Folds of a frame that ends in June equal the first folds of the whole year."""
    half = frame[_months(frame) <= "2017-06"]
    folds = list(walk_forward(half))
    assert len(folds) == 3
    for fold, same in zip(folds, walk_forward(frame), strict=False):
        assert fold.name == same.name
        assert (fold.train == same.train).all()
        assert (fold.test == same.test).all()


def test_three_months_have_no_walk_forward_fold(frame: pd.DataFrame) -> None:
    """Three months of flights give no fold."""
    assert list(walk_forward(frame[_months(frame) <= "2017-03"])) == []


def test_months_after_too_few_flights_are_not_scored(few: pd.DataFrame) -> None:
    """A month is scored only if enough flights came before it."""
    thin = few.iloc[::4]
    folds = list(walk_forward(thin))
    assert 0 < len(folds) < 9
    assert min(len(fold.train) for fold in folds) >= MINIMUM_FLIGHTS
    assert (_months(thin) < folds[0].name).sum() >= MINIMUM_FLIGHTS
    before = f"2017-{int(folds[0].name[-2:]) - 1:02}"
    assert (_months(thin) < before).sum() < MINIMUM_FLIGHTS


def test_fold_count_is_the_number_of_reported_fits(
    few: pd.DataFrame, evaluated: tuple[dict[str, Any], dict[str, Scored], list[Fold]]
) -> None:
    """`fold_count` is 1 (E1) + 5 (E2) + 9 for each level of E3, and as many are reported."""
    assert fold_count(few) == 1 + 5 + 2 * 9
    assert len(evaluated[2]) == len(SEEDS) * fold_count(few)


def test_every_protocol_has_all_figures(
    evaluated: tuple[dict[str, Any], dict[str, Scored], list[Fold]],
) -> None:
    """Each protocol has every figure, its spread, its seeds and its number of flights."""
    report, scored, _ = evaluated
    assert list(report) == list(scored) == list(PROTOCOLS)
    for protocol, found in report.items():
        assert set(FIGURES) <= set(found)
        assert set(found["spread"]) == set(FIGURES)
        assert found["seeds"] == list(SEEDS)
        assert found["n"] == len(scored[protocol].row)


def test_scored_flights_match_their_rows(
    few: pd.DataFrame, evaluated: tuple[dict[str, Any], dict[str, Scored], list[Fold]]
) -> None:
    """Outcomes are those of the listed rows, and no row is scored twice."""
    late = few["delayed"].to_numpy()
    for scored in evaluated[1].values():
        assert (scored.late == late[scored.row]).all()
        assert len(np.unique(scored.row)) == len(scored.row)
        assert ((scored.probability > 0) & (scored.probability < 1)).all()


def test_the_constant_is_the_late_share_before(
    few: pd.DataFrame, evaluated: tuple[dict[str, Any], dict[str, Scored], list[Fold]]
) -> None:
    """The constant of a month is the late share of the months before it."""
    scored = evaluated[1]["E3.schedule"]
    month = _months(few).to_numpy()
    for fold in walk_forward(few):
        constant = scored.constant[month[scored.row] == fold.name]
        assert (constant == few["delayed"].to_numpy()[fold.train].mean()).all()


def test_figures_are_the_mean_over_seeds(
    early: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Figures are the mean over two seeds, and the spread is the standard deviation."""
    monkeypatch.setitem(PROTOCOLS, "E2", lambda _frame: iter(()))
    alone = [evaluate(early, CONFIG, [seed])[0]["E1"] for seed in SEEDS]
    both = evaluate(early, CONFIG, SEEDS)[0]["E1"]
    for name in FIGURES:
        values = [each[name] for each in alone]
        assert both[name] == pytest.approx(np.mean(values))
        assert both["spread"][name] == pytest.approx(np.std(values), abs=1e-12)
        assert alone[0]["spread"][name] == 0
    assert both["spread"]["auc"] > 0


def test_scored_flights_are_those_of_the_first_seed(
    few: pd.DataFrame, evaluated: tuple[dict[str, Any], dict[str, Scored], list[Fold]]
) -> None:
    """The returned flights equal those of fitting and scoring with the first seed."""
    (fold,) = random_split(few)
    again = _run(few, [fold], CONFIG, [SEEDS[0]], lambda _fold: None)[0]
    assert (evaluated[1]["E1"].probability == again.probability).all()
    other = _run(few, [fold], CONFIG, [SEEDS[1]], lambda _fold: None)[0]
    assert (other.probability != again.probability).any()


def test_months_and_days_add_up_to_the_whole(
    few: pd.DataFrame, evaluated: tuple[dict[str, Any], dict[str, Scored], list[Fold]]
) -> None:
    """Flights and losses by month and by day sum to those of all scored flights."""
    report, scored = evaluated[0]["E3.schedule"], evaluated[1]["E3.schedule"]
    loss = flight_log_loss(scored.late, scored.probability).sum()
    assert sum(month["n"] for month in report["by_month"].values()) == len(scored.row)
    assert sum(n for n, _ in report["by_day"].values()) == len(scored.row)
    assert sum(day_loss for _, day_loss in report["by_day"].values()) == pytest.approx(loss)
    departure = few["scheduled_departure"].iloc[scored.row]
    assert set(report["by_day"]) == {str(day) for day in departure.dt.date}
    assert set(report["by_month"]) == set(_months(few).iloc[scored.row])


def test_a_month_has_its_own_figures(
    few: pd.DataFrame, evaluated: tuple[dict[str, Any], dict[str, Scored], list[Fold]]
) -> None:
    """The figures of a month are those of its flights at the threshold of the config."""
    report, scored = evaluated[0]["E3.schedule"], evaluated[1]["E3.schedule"]
    rows = _months(few).to_numpy()[scored.row] == "2017-07"
    parts = (scored.late[rows], scored.probability[rows], scored.constant[rows])
    expected = figures(*parts, CONFIG.decision.threshold)
    found = report["by_month"]["2017-07"]
    assert {name: found[name] for name in FIGURES} == expected
    assert found["late_share"] == pytest.approx(scored.late[rows].mean())


def test_a_short_frame_has_no_walk_forward(early: pd.DataFrame) -> None:
    """Walk-forward is left out if no month can be scored; the other protocols remain."""
    report, scored = evaluate(early, CONFIG, [0])
    assert list(report) == list(scored) == ["E1", "E2"]


def test_outcomes_of_scored_months_do_not_reach_their_scores(few: pd.DataFrame) -> None:
    """Changed outcomes from July on change no score of April to July by a bit."""
    folds = [fold for fold in walk_forward(few) if fold.name <= "2017-07"]
    changed = _changed_outcomes(few, (_months(few) >= "2017-07").to_numpy())
    before, after = (
        _run(each, folds, CONFIG, [0], lambda _fold: None)[0].probability for each in (few, changed)
    )
    assert changed["delayed"].mean() > few["delayed"].mean() + 0.2
    assert (before == after).all()


def test_outcomes_before_a_month_do_reach_its_scores(few: pd.DataFrame) -> None:
    """The leak test can fail: changed outcomes of March change the scores of April."""
    fold = next(walk_forward(few))
    changed = _changed_outcomes(few, (_months(few) == "2017-03").to_numpy())
    before, after = (
        _run(each, [fold], CONFIG, [0], lambda _fold: None)[0].probability
        for each in (few, changed)
    )
    assert (before != after).any()


def test_evaluation_leaves_its_frame_alone(early: pd.DataFrame) -> None:
    """Neither rows nor values of the frame change while it is evaluated."""
    copy = early.copy(deep=True)
    evaluate(early, CONFIG, [0])
    assert_frame_equal(early, copy)


def test_folds_are_fitted_with_the_config(few: pd.DataFrame) -> None:
    """The evaluation fits with the parameters and the seed of the config."""
    fold = next(walk_forward(few))
    stump = replace(CONFIG, parameters={**CONFIG.parameters, "num_leaves": 2})
    run = _run(few, [fold], stump, [5], lambda _fold: None)[0]
    by_hand = fit(few.iloc[fold.train], replace(stump, seed=5))
    matrix = by_hand.builder.transform(Flights.from_columns(few.iloc[fold.test]))
    assert (run.probability == by_hand.probability(matrix)).all()
