"""The search for parameters: never worse than the fixed ones, and blind to later months."""

from __future__ import annotations

import sys

import pandas as pd
import pytest

from model import search as searching
from model.decision import Decision
from model.errors import MissingExtra, TooFewFlights
from model.search import search
from model.training import PARAMETERS, Recipe

RECIPE = Recipe(seed=5, rounds=7, decision=Decision.from_cost_ratio(9))


@pytest.fixture
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each trial grow a few trees only."""
    monkeypatch.setattr(searching, "SEARCH_ROUNDS", 4)


@pytest.fixture(scope="module")
def early(few: pd.DataFrame) -> pd.DataFrame:
    """Give the flights of January to July."""
    return few[few["scheduled_departure"] < pd.Timestamp("2017-08-01")]


def test_one_trial_tries_the_fixed_parameters(early: pd.DataFrame, few_trees: None) -> None:
    """The first trial is what stands in the code, so that a search never does worse."""
    assert search(early, RECIPE, 1).parameters == PARAMETERS


def test_a_search_returns_a_recipe(early: pd.DataFrame, few_trees: None) -> None:
    """Parameters lie in their ranges; seed, trees and decision are those of the given recipe."""
    found = search(early, RECIPE, 3)
    assert (found.seed, found.rounds, found.decision) == (5, 7, RECIPE.decision)
    assert set(found.parameters) == set(PARAMETERS)
    for name, (low, high) in searching._SPACE.items():
        assert low <= found.parameters[name] <= high
        assert type(found.parameters[name]) is type(low)


def test_the_best_trial_wins(
    early: pd.DataFrame, few_trees: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where fixed parameters cannot split at all, another trial's are returned."""
    monkeypatch.setitem(searching._SPACE, "min_data_in_leaf", (20, 100_000))
    monkeypatch.setitem(PARAMETERS, "min_data_in_leaf", 100_000)
    assert search(early, RECIPE, 6).parameters["min_data_in_leaf"] < 2_000


def test_the_same_seed_finds_the_same(early: pd.DataFrame, few_trees: None) -> None:
    """A search can be repeated."""
    assert search(early, RECIPE, 2) == search(early, RECIPE, 2)


def test_only_the_first_scored_months_are_judged_on(early: pd.DataFrame, few_trees: None) -> None:
    """Outcomes after June change nothing about what is found."""
    july = (early["scheduled_departure"] >= pd.Timestamp("2017-07-01")).to_numpy()
    other = early.copy()
    other.loc[july, "delayed"] = ~other.loc[july, "delayed"]
    other.loc[july, "delay_minutes"] = 600.0
    assert july.any()
    assert search(other, RECIPE, 2) == search(early, RECIPE, 2)


def test_without_optuna_it_says_what_to_do(
    early: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where optuna is not installed, the option, the package and the remedy are named."""
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtra, match=r"--trials needs optuna: pip install optuna"):
        search(early, RECIPE, 2)


def test_three_months_are_too_few(early: pd.DataFrame) -> None:
    """Without a month to judge on there is no search."""
    short = early[early["scheduled_departure"] < pd.Timestamp("2017-04-01")]
    with pytest.raises(TooFewFlights, match="at least four months"):
        search(short, RECIPE, 2)
