"""Test that the model card matches flights and model, is strict JSON, and is reproducible."""

from __future__ import annotations

import copy
import json
from typing import Any

import pandas as pd
import pytest

from data.frame import data_hash
from model.inference.predictor import Predictor
from model.reports.card import headline, make_card
from model.training.fit import PARAMETERS, TrainingConfig, fit
from model.training.logistic_regression import PENALTY

CONFIG = TrainingConfig(seed=4, rounds=20)
EVALUATION: dict[str, Any] = {
    "E1": {"auc": 0.7, "n": 10, "spread": {"auc": 0.0}},
    "E3.schedule": {"auc": 0.6, "n": 9, "by_month": {"2017-04": {}}, "by_day": {"2017-04-01": []}},
}


def _card(frame: pd.DataFrame, predictor: Predictor, *, is_sample: bool = False) -> dict[str, Any]:
    return make_card(
        frame, is_sample=is_sample, predictor=predictor, config=CONFIG, evaluation=EVALUATION
    )


@pytest.fixture(scope="module")
def card(few: pd.DataFrame, predictor: Predictor) -> dict[str, Any]:
    """Give the card of the small model."""
    return _card(few, predictor)


def test_a_card_is_strict_json(card: dict[str, Any]) -> None:
    """The card survives JSON unchanged, without NaN or infinity."""
    assert json.loads(json.dumps(card, allow_nan=False)) == card


def test_the_same_model_has_the_same_card(
    few: pd.DataFrame, predictor: Predictor, card: dict[str, Any]
) -> None:
    """The card does not depend on the order of the rows."""
    again = _card(few.sample(frac=1, random_state=0), predictor)
    assert json.dumps(again) == json.dumps(card)


def test_the_card_describes_its_data(few: pd.DataFrame, card: dict[str, Any]) -> None:
    """Flights, window, late share and hash are those of the frame."""
    departure = few["scheduled_departure"]
    assert card["data"] == {
        "is_sample": False,
        "flights": len(few),
        "first_departure": departure.iloc[0].isoformat(),
        "last_departure": departure.iloc[-1].isoformat(),
        "late_share": pytest.approx(few["delayed"].mean(), abs=1e-5),
        "sha256": data_hash(few),
    }


def test_a_model_of_the_sample_says_so(few: pd.DataFrame, predictor: Predictor) -> None:
    """The card of a model of generated flights is marked, and otherwise equal."""
    marked, plain = (_card(few, predictor, is_sample=each) for each in (True, False))
    assert marked["data"].pop("is_sample") is True
    assert plain["data"].pop("is_sample") is False
    assert marked == plain


def test_the_card_describes_the_training(predictor: Predictor, card: dict[str, Any]) -> None:
    """Seed, trees, parameters and features are those of config and model."""
    regression = {"penalty": PENALTY, "weights": predictor.schedule.regression.weights}
    training = {"seed": 4, "trees": 20, "parameters": PARAMETERS, "line": regression}
    assert card["training"] == training
    assert card["features"] == list(predictor.builder.feature_names)


def test_importances_are_shares_of_the_gain(predictor: Predictor, card: dict[str, Any]) -> None:
    """Every feature has a share, the largest first, and the shares sum to 1."""
    shares = list(card["importance"].values())
    assert set(card["importance"]) == set(predictor.builder.feature_names)
    assert sum(shares) == pytest.approx(1, abs=0.002)
    assert shares == sorted(shares, reverse=True)
    assert min(shares) >= 0


def test_a_model_without_splits_has_a_card(few: pd.DataFrame) -> None:
    """The importances of trees without a split are 0."""
    unsplit = TrainingConfig(rounds=1, parameters={**PARAMETERS, "min_data_in_leaf": len(few)})
    card = _card(few, fit(few, unsplit))
    assert set(card["importance"].values()) == {0.0}


def test_airlines_have_names(predictor: Predictor, card: dict[str, Any]) -> None:
    """Each airline of the schedule is listed by its code, in order, with its usual name."""
    assert list(card["airlines"]) == sorted(predictor.builder.codes.airline_)
    assert card["airlines"]["LAN"] == "LATAM Airlines"


def test_destinations_have_cities_and_types(predictor: Predictor, card: dict[str, Any]) -> None:
    """Each destination is listed with its city, country and usual flight type."""
    assert list(card["destinations"]) == sorted(predictor.builder.codes.destination_)
    antofagasta = card["destinations"]["SCFA"]
    assert (antofagasta["city"], antofagasta["country"]) == ("Antofagasta", "CL")
    assert antofagasta["flight_type"] == "N"
    assert card["destinations"]["SPJC"]["flight_type"] == "I"


def test_unknown_codes_have_their_code_as_name(few: pd.DataFrame) -> None:
    """An airline and an airport outside the reference tables are listed by their codes."""
    strange = few.copy()
    first = strange.index[:50]
    strange.loc[first, ["airline", "destination"]] = ["ZZZ", "ZZZZ"]
    card = _card(strange, fit(strange, TrainingConfig(rounds=2)))
    assert card["airlines"]["ZZZ"] == "ZZZ"
    assert card["destinations"]["ZZZZ"]["name"] == "ZZZZ"
    assert card["destinations"]["ZZZZ"]["country"] == ""


def test_the_headline_leaves_out_the_days() -> None:
    """The headline has all figures except the lists by day; the evaluation is not changed."""
    before = copy.deepcopy(EVALUATION)
    short = headline(EVALUATION)
    assert short["E1"] == EVALUATION["E1"]
    assert set(EVALUATION["E3.schedule"]) - set(short["E3.schedule"]) == {"by_day"}
    assert before == EVALUATION


def test_the_card_has_the_headline(card: dict[str, Any]) -> None:
    """The evaluation in the card is its headline."""
    assert card["evaluation"] == headline(EVALUATION)
