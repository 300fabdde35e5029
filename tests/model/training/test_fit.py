"""Test that a fit is reproducible, ignores later and operated columns, and needs enough flights."""

from __future__ import annotations

from dataclasses import replace

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from data.flights import Flights
from model.errors import TooFewFlights
from model.evaluation.protocols import split_by_day
from model.inference.bundle import Bundle
from model.inference.decision import Decision
from model.inference.predictor import Predictor
from model.training.fit import MINIMUM_FLIGHTS, PARAMETERS, TrainingConfig, fit

CONFIG = TrainingConfig(rounds=20)


def _bytes(predictor: Predictor) -> dict[str, bytes]:
    return Bundle(predictor, {}, {}).files()


def _held_out_auc(frame: pd.DataFrame) -> float:
    """Return the ROC AUC on held-out days, the mean of five folds."""
    found = []
    for fold in split_by_day(frame):
        train, test = frame.iloc[fold.train], frame.iloc[fold.test]
        scores = fit(train, CONFIG).predict(Flights.from_columns(test))
        found.append(roc_auc_score(test["delayed"], scores.probability))
    return float(np.mean(found))


def test_the_same_seed_gives_the_same_bytes(few: pd.DataFrame) -> None:
    """Two fits on the same flights and seed give the same files."""
    config = replace(CONFIG, seed=7)
    assert _bytes(fit(few, config)) == _bytes(fit(few.copy(), config))


def test_another_seed_gives_another_model(few: pd.DataFrame) -> None:
    """Another seed changes the trees and leaves the features as they are."""
    first, second = (fit(few, replace(CONFIG, seed=seed)) for seed in (1, 2))
    assert first.booster.text != second.booster.text
    assert first.builder.to_json() == second.builder.to_json()


def test_the_number_of_threads_changes_nothing(few: pd.DataFrame) -> None:
    """Fits on one thread and on two give the same scores, bit for bit."""
    flights = Flights.from_columns(few)
    one, two = (
        fit(few, replace(CONFIG, parameters={**PARAMETERS, "num_threads": threads}))
        for threads in (1, 2)
    )
    assert (one.predict(flights).probability == two.predict(flights).probability).all()


def test_rows_after_a_date_do_not_matter(few: pd.DataFrame) -> None:
    """A model of the flights before a date does not depend on later rows."""
    cut = pd.Timestamp("2017-09-01")
    later = (few["scheduled_departure"] >= cut).to_numpy()
    other = few.copy()
    other.loc[later, "airline"] = "ZZZ"
    other.loc[later, "delay_minutes"] = 600.0
    other.loc[later, "delayed"] = True
    first, second = (fit(each[each["scheduled_departure"] < cut], CONFIG) for each in (few, other))
    assert _bytes(first) == _bytes(second)
    assert "ZZZ" not in second.builder.codes.airline_


def test_other_columns_do_not_matter(few: pd.DataFrame) -> None:
    """Training reads no operated column except the departure and the delay."""
    other = few.assign(
        operated_airline="ZZZ",
        operated_destination="ZZZZ",
        operated_flight_number="0",
        operator_name="nobody",
        file_row=0,
    )
    assert _bytes(fit(other, CONFIG)) == _bytes(fit(few, CONFIG))


def test_a_shuffled_target_cannot_be_learned(few: pd.DataFrame) -> None:
    """After shuffling the outcomes, the ROC AUC on held-out days is about .5."""
    shuffled = few.copy()
    order = np.random.default_rng(0).permutation(len(few))
    for name in ("delay_minutes", "delayed"):
        shuffled[name] = few[name].to_numpy()[order]
    minutes = pd.to_timedelta(shuffled["delay_minutes"], unit="m").astype("timedelta64[s]")
    shuffled["actual_departure"] = shuffled["scheduled_departure"] + minutes
    assert _held_out_auc(shuffled) == pytest.approx(0.5, abs=0.04)
    assert _held_out_auc(few) > 0.6


def test_too_few_flights_are_refused(few: pd.DataFrame) -> None:
    """One flight below the minimum is an error with both numbers; the minimum is enough."""
    with pytest.raises(TooFewFlights, match=f"{MINIMUM_FLIGHTS - 1} flights.*{MINIMUM_FLIGHTS}"):
        fit(few.head(MINIMUM_FLIGHTS - 1), CONFIG)
    assert fit(few.head(MINIMUM_FLIGHTS), replace(CONFIG, rounds=2)).booster.trees == 2


@pytest.mark.parametrize("late", [False, True])
def test_one_outcome_alone_is_refused(few: pd.DataFrame, late: bool) -> None:
    """A frame in which all flights were late, or none, is an error."""
    with pytest.raises(TooFewFlights, match="both outcomes"):
        fit(few.assign(delayed=late), CONFIG)


def test_no_flight_at_all_is_refused(few: pd.DataFrame) -> None:
    """An empty frame is an error that gives the number of flights."""
    with pytest.raises(TooFewFlights, match="0 flights"):
        fit(few.head(0), CONFIG)


def test_the_config_sets_trees_and_decision(few: pd.DataFrame) -> None:
    """The model has the number of trees and the decision of its config."""
    decision = Decision.from_cost_ratio(9)
    predictor = fit(few, TrainingConfig(rounds=5, decision=decision))
    assert predictor.booster.trees == 5
    assert predictor.decision == decision


def test_the_booster_has_the_features_of_the_builder(few: pd.DataFrame) -> None:
    """The saved trees have the builder's feature names and categories."""
    predictor = fit(few, CONFIG)
    booster = lgb.Booster(model_str=predictor.booster.text)
    assert booster.feature_name() == list(predictor.builder.feature_names)
    infos = booster.dump_model()["feature_infos"]
    # category codes are listed one by one, quantities have a range
    listed = {name for name, info in infos.items() if info["values"]}
    assert listed <= set(predictor.builder.categorical)
    assert {"airline", "destination"} <= listed


def test_each_config_has_parameters_of_its_own() -> None:
    """Changing the parameters of one config does not change the defaults."""
    config = TrainingConfig()
    config.parameters["num_leaves"] = 2
    assert TrainingConfig().parameters == PARAMETERS
    assert PARAMETERS["num_leaves"] != 2
