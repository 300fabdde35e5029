"""Test that a search is never worse than the fixed parameters and uses no later month."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from model.errors import MissingExtra, StudyError, TooFewFlights
from model.inference.decision import Decision
from model.training.fit import PARAMETERS, TrainingConfig
from model.tuning import search as searching
from model.tuning.search import confirm, search

CONFIG = TrainingConfig(seed=5, rounds=7, decision=Decision.from_cost_ratio(9))


@pytest.fixture
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limit each trial to four trees."""
    monkeypatch.setattr(searching, "SEARCH_ROUNDS", 4)


@pytest.fixture(scope="module")
def early(few: pd.DataFrame) -> pd.DataFrame:
    """Return the flights of January to July."""
    return few[few["scheduled_departure"] < pd.Timestamp("2017-08-01")]


def test_one_trial_tries_the_fixed_parameters(early: pd.DataFrame, few_trees: None) -> None:
    """The first trial has the fixed parameters, so a search is never worse than they are."""
    assert search(early, CONFIG, 1).parameters == PARAMETERS


def test_a_search_returns_a_config(early: pd.DataFrame, few_trees: None) -> None:
    """Parameters are in their ranges; seed, trees and decision are those of the given config."""
    found = search(early, CONFIG, 3)
    assert (found.seed, found.rounds, found.decision) == (5, 7, CONFIG.decision)
    assert set(found.parameters) == set(PARAMETERS)
    for name, (low, high) in searching._SPACE.items():
        assert low <= found.parameters[name] <= high
        assert type(found.parameters[name]) is type(low)


def test_the_best_trial_wins(
    early: pd.DataFrame, few_trees: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the fixed parameters allow no split, those of another trial are returned."""
    monkeypatch.setitem(searching._SPACE, "min_data_in_leaf", (20, 100_000))
    monkeypatch.setitem(PARAMETERS, "min_data_in_leaf", 100_000)
    assert search(early, CONFIG, 6).parameters["min_data_in_leaf"] < 2_000


def test_the_same_seed_finds_the_same(early: pd.DataFrame, few_trees: None) -> None:
    """Two searches with the same seed return the same config."""
    assert search(early, CONFIG, 2) == search(early, CONFIG, 2)


def test_only_the_first_scored_months_decide(early: pd.DataFrame, few_trees: None) -> None:
    """Outcomes after June do not change the result."""
    july = (early["scheduled_departure"] >= pd.Timestamp("2017-07-01")).to_numpy()
    other = early.copy()
    other.loc[july, "delayed"] = ~other.loc[july, "delayed"]
    other.loc[july, "delay_minutes"] = 600.0
    assert july.any()
    assert search(other, CONFIG, 2) == search(early, CONFIG, 2)


def test_a_stopped_study_continues_with_the_same_result(
    early: pd.DataFrame, few_trees: None, tmp_path: Path
) -> None:
    """A study stopped after two trials and continued gives the file and result of one run."""
    whole, stopped = tmp_path / "whole.json", tmp_path / "stopped.json"
    found = search(early, CONFIG, 4, whole)
    search(early, CONFIG, 2, stopped)
    assert search(early, CONFIG, 4, stopped) == found
    assert stopped.read_bytes() == whole.read_bytes()
    trials = json.loads(whole.read_text())["trials"]
    assert len(trials) == 4
    best = min(trials, key=lambda trial: float(trial["log_loss"]))
    assert found.parameters == {**PARAMETERS, **best["parameters"]}


def test_a_finished_study_is_not_searched_again(
    early: pd.DataFrame, few_trees: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search for no more trials than the file has returns its best trial."""
    path = tmp_path / "study.json"
    found = search(early, CONFIG, 2, path)
    monkeypatch.delattr(searching, "_try")
    assert search(early, CONFIG, 2, path) == found


def test_a_study_of_other_flights_is_refused(
    early: pd.DataFrame, few_trees: None, tmp_path: Path
) -> None:
    """A study of other flights or another seed is an error that says what differs."""
    path = tmp_path / "study.json"
    search(early, CONFIG, 1, path)
    with pytest.raises(StudyError, match=r"other terms \(flights\)"):
        search(early.iloc[1:], CONFIG, 2, path)
    with pytest.raises(StudyError, match="seed"):
        search(early, replace(CONFIG, seed=6), 2, path)
    path.write_text("{}")
    with pytest.raises(StudyError, match="is not a study"):
        search(early, CONFIG, 2, path)


def test_a_result_is_confirmed_on_later_months(early: pd.DataFrame) -> None:
    """The comparison scores only months after those of the search, at each level."""
    figures = confirm(early, replace(CONFIG, rounds=3), range(1))
    assert list(figures) == ["E3.schedule", "E3.daily", "E3.live"]
    assert {month for each in figures.values() for month in each["by_month"]} == {"2017-07"}


def test_without_optuna_it_says_what_to_do(
    early: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without optuna, the error names the option, the package and the remedy."""
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtra, match=r"--trials needs optuna: pip install optuna"):
        search(early, CONFIG, 2)


def test_three_months_are_too_few(early: pd.DataFrame) -> None:
    """Three months of flights have no month to score, which is an error."""
    short = early[early["scheduled_departure"] < pd.Timestamp("2017-04-01")]
    with pytest.raises(TooFewFlights, match="at least four months"):
        search(short, CONFIG, 2)
