"""Fitting: reproducible to the byte, deaf to what it must not hear, and able to refuse."""

from __future__ import annotations

from dataclasses import replace

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from data.flights import Flights
from model.errors import TooFewFlights
from model.evaluation.protocols import held_out_days
from model.inference.bundle import Bundle
from model.inference.decision import Decision
from model.inference.predictor import Predictor
from model.training.fit import (
    MINIMUM_FLIGHTS,
    PARAMETERS,
    TrainingConfig,
    fit,
)

RECIPE = TrainingConfig(rounds=20)


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


def test_the_same_seed_gives_the_same_bytes(few: pd.DataFrame) -> None:
    """Fitted twice, a model is the same to the last byte."""
    recipe = replace(RECIPE, seed=7)
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
    """Of what was operated, training reads nothing but the departure and the delay."""
    other = few.assign(
        operated_airline="ZZZ",
        operated_destination="ZZZZ",
        operated_flight_number="0",
        operator_name="nobody",
        file_row=0,
    )
    assert _bytes(fit(other, RECIPE)) == _bytes(fit(few, RECIPE))


def test_a_shuffled_target_cannot_be_learned(few: pd.DataFrame) -> None:
    """With outcomes dealt out at random, unseen days are ranked like by a coin."""
    shuffled = few.copy()
    dealt = np.random.default_rng(0).permutation(len(few))
    for name in ("delay_minutes", "delayed"):
        shuffled[name] = few[name].to_numpy()[dealt]
    minutes = pd.to_timedelta(shuffled["delay_minutes"], unit="m").astype("timedelta64[s]")
    shuffled["actual_departure"] = shuffled["scheduled_departure"] + minutes
    assert _held_out_auc(shuffled) == pytest.approx(0.5, abs=0.04)
    assert _held_out_auc(few) > 0.6


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
    predictor = fit(few, TrainingConfig(rounds=5, decision=decision))
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


def test_each_recipe_has_parameters_of_its_own() -> None:
    """Changing one recipe's parameters leaves the published ones alone."""
    recipe = TrainingConfig()
    recipe.parameters["num_leaves"] = 2
    assert TrainingConfig().parameters == PARAMETERS
    assert PARAMETERS["num_leaves"] != 2
