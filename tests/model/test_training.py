"""Fitting: reproducible to the byte, deaf to what it must not hear, and able to refuse."""

from __future__ import annotations

from dataclasses import replace

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from data.flights import Flights
from model import training
from model.bundle import Bundle
from model.decision import Decision
from model.errors import TooFewFlights
from model.evaluation import held_out_days
from model.predictor import Predictor
from model.training import (
    HOLDOUT_DAYS,
    MINIMUM_FLIGHTS,
    MINIMUM_ROUNDS,
    PARAMETERS,
    Recipe,
    choose_rounds,
    fit,
    soft_labels,
)

RECIPE = Recipe(rounds=20)


def _bytes(predictor: Predictor) -> dict[str, bytes]:
    return Bundle(predictor, {}, {}).files()


def _held_out_auc(frame: pd.DataFrame) -> float:
    """ROC AUC on days that were not fitted on, the mean of five folds."""
    found = []
    for fold in held_out_days(frame):
        train, test = frame.iloc[fold.train], frame.iloc[fold.test]
        scores = fit(train, RECIPE).predict(Flights.from_columns(test))
        found.append(roc_auc_score(test["delayed"], scores.probability))
    return float(np.mean(found))


@pytest.fixture
def short_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the number of trees be searched among a few."""
    monkeypatch.setattr(training, "MINIMUM_ROUNDS", 2)
    monkeypatch.setattr(training, "MAXIMUM_ROUNDS", 60)
    monkeypatch.setattr(training, "PATIENCE", 5)


def test_the_same_seed_gives_the_same_bytes(few: pd.DataFrame, short_search: None) -> None:
    """Fitted twice with the number of trees searched, a model is the same to the last byte."""
    recipe = Recipe(seed=7)
    assert _bytes(fit(few, recipe)) == _bytes(fit(few.copy(), recipe))


def test_another_seed_gives_another_model(few: pd.DataFrame) -> None:
    """Seeds decide which flights and features a tree sees."""
    first, second = (fit(few, replace(RECIPE, seed=seed)) for seed in (1, 2))
    assert first.booster.text != second.booster.text
    assert first.builder.to_json() == second.builder.to_json()


def test_the_number_of_threads_changes_nothing(few: pd.DataFrame) -> None:
    """Fitted on one thread and on two, every flight scores the same, bit for bit."""
    flights = Flights.from_columns(few)
    one, two = (
        fit(few, replace(RECIPE, parameters={**PARAMETERS, "num_threads": threads}))
        for threads in (1, 2)
    )
    assert (one.predict(flights).probability == two.predict(flights).probability).all()


def test_rows_after_a_date_do_not_matter(few: pd.DataFrame) -> None:
    """Fitted on the flights before a date, a model is the same whatever came after it."""
    cut = pd.Timestamp("2017-09-01")
    later = (few["scheduled_departure"] >= cut).to_numpy()
    other = few.copy()
    other.loc[later, "airline"] = "ZZZ"
    other.loc[later, "delay_minutes"] = 600.0
    other.loc[later, "delayed"] = True
    first, second = (fit(each[each["scheduled_departure"] < cut], RECIPE) for each in (few, other))
    assert _bytes(first) == _bytes(second)
    assert "ZZZ" not in second.builder.codes.airline_


def test_other_columns_do_not_matter(few: pd.DataFrame) -> None:
    """Of what was operated, training reads nothing but the delay."""
    other = few.assign(
        operated_airline="ZZZ",
        operated_destination="ZZZZ",
        operated_flight_number="0",
        operator_name="nobody",
        actual_departure=pd.Timestamp("2017-01-01"),
        file_row=0,
    )
    assert _bytes(fit(other, RECIPE)) == _bytes(fit(few, RECIPE))


def test_a_shuffled_target_cannot_be_learned(few: pd.DataFrame) -> None:
    """With outcomes dealt out at random, unseen days are ranked like by a coin."""
    shuffled = few.copy()
    dealt = np.random.default_rng(0).permutation(len(few))
    for name in ("delay_minutes", "delayed"):
        shuffled[name] = few[name].to_numpy()[dealt]
    assert _held_out_auc(shuffled) == pytest.approx(0.5, abs=0.04)
    assert _held_out_auc(few) > 0.6


def test_labels_pass_a_half_between_fifteen_and_sixteen_minutes() -> None:
    """Fifteen minutes lean to on time, sixteen as much to late."""
    fifteen, sixteen = soft_labels(pd.DataFrame({"delay_minutes": [15.0, 16.0]}))
    assert fifteen < 0.5 < sixteen
    assert fifteen + sixteen == pytest.approx(1)


def test_labels_rise_with_the_delay() -> None:
    """The later a flight, the surer its label, from 0 to 1."""
    labels = soft_labels(pd.DataFrame({"delay_minutes": np.arange(-60.0, 121.0)}))
    assert (np.diff(labels) >= 0).all()
    assert (np.diff(labels[:140]) > 0).all()
    assert labels[0] < 0.001
    assert labels[-1] > 0.999


def test_labels_agree_with_the_outcome(frame: pd.DataFrame) -> None:
    """On every flight, the label lies on the side of the outcome."""
    assert ((soft_labels(frame) > 0.5) == frame["delayed"]).all()


def test_too_few_flights_are_refused(few: pd.DataFrame) -> None:
    """One flight below the minimum is refused with both numbers; the minimum is enough."""
    with pytest.raises(TooFewFlights, match=f"{MINIMUM_FLIGHTS - 1} flights.*{MINIMUM_FLIGHTS}"):
        fit(few.head(MINIMUM_FLIGHTS - 1), RECIPE)
    assert fit(few.head(MINIMUM_FLIGHTS), replace(RECIPE, rounds=2)).booster.trees == 2


@pytest.mark.parametrize("late", [False, True])
def test_one_outcome_alone_is_refused(few: pd.DataFrame, late: bool) -> None:
    """Where all flights were late, or none, there is nothing to learn."""
    with pytest.raises(TooFewFlights, match="both outcomes"):
        fit(few.assign(delayed=late), RECIPE)


def test_no_flight_at_all_is_refused(few: pd.DataFrame) -> None:
    """An empty frame is refused in words."""
    with pytest.raises(TooFewFlights, match="0 flights"):
        fit(few.head(0), RECIPE)


def test_a_recipe_decides_trees_and_decision(few: pd.DataFrame) -> None:
    """A fixed number of trees and the decision reach the model as they are."""
    decision = Decision.from_cost_ratio(9)
    predictor = fit(few, Recipe(rounds=5, decision=decision))
    assert predictor.booster.trees == 5
    assert predictor.decision == decision


def test_the_booster_knows_its_features(few: pd.DataFrame) -> None:
    """Names and categories of the builder are those that the trees were grown with."""
    predictor = fit(few, RECIPE)
    booster = lgb.Booster(model_str=predictor.booster.text)
    assert booster.feature_name() == list(predictor.builder.feature_names)
    infos = booster.dump_model()["feature_infos"]
    # category codes are listed one by one, quantities have a range
    listed = {name for name, info in infos.items() if info["values"]}
    assert listed <= set(predictor.builder.categorical)
    assert {"airline", "destination"} <= listed


def test_the_model_learns_from_all_flights(few: pd.DataFrame, short_search: None) -> None:
    """Once the number of trees is chosen, the last weeks are fitted on too."""
    recipe = Recipe(seed=3)
    rounds = choose_rounds(few, recipe)
    assert 2 <= rounds <= 60
    assert _bytes(fit(few, recipe)) == _bytes(fit(few, replace(recipe, rounds=rounds)))


def test_the_number_of_trees_is_chosen_on_the_last_weeks(
    few: pd.DataFrame, short_search: None
) -> None:
    """Where the last weeks contradict all that came before, trees stop at the minimum."""
    busy = few["scheduled_departure"].dt.hour.to_numpy() >= 12
    last = few["scheduled_departure"].max() - pd.Timedelta(days=HOLDOUT_DAYS)
    held_out = (few["scheduled_departure"] >= last).to_numpy()
    steady = few.assign(delayed=busy, delay_minutes=np.where(busy, 60.0, 0.0))
    turned = busy ^ held_out
    contrary = few.assign(delayed=turned, delay_minutes=np.where(turned, 60.0, 0.0))
    assert choose_rounds(contrary, RECIPE) == 2
    assert choose_rounds(steady, RECIPE) > 30


def test_without_enough_flights_before_the_last_weeks_the_minimum_is_taken(
    frame: pd.DataFrame,
) -> None:
    """A history of four weeks leaves nothing to choose on."""
    first = frame["scheduled_departure"].min()
    month = frame[frame["scheduled_departure"] < first + pd.Timedelta(days=HOLDOUT_DAYS)]
    assert len(month) >= MINIMUM_FLIGHTS
    assert choose_rounds(month, Recipe()) == MINIMUM_ROUNDS


def test_each_recipe_has_parameters_of_its_own() -> None:
    """Changing one recipe's parameters leaves the published ones alone."""
    recipe = Recipe()
    recipe.parameters["num_leaves"] = 2
    assert Recipe().parameters == PARAMETERS
    assert PARAMETERS["num_leaves"] != 2
