"""Test probabilities, decisions and bands of flights, and that the batch does not matter."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.flights import Flights
from data.schema import SCHEDULE_COLUMNS
from features import FeatureBuilder
from model.inference.booster import Booster
from model.inference.bundle import Bundle
from model.inference.calibration import FloatArray, sigmoid
from model.inference.logistic_regression import LogisticModel
from model.inference.predictor import Predictor
from model.inference.scorer import Scorer
from model.training.fit import month_starts

PROJECT = Path(__file__).parents[3]
HEAVY = ("pandas", "sklearn", "lightgbm", "scipy", "pyarrow", "holidays", "airportsdata")

STRANGE = Flights.from_columns(
    {
        "airline": ["ZZZ", "LAN"],
        "flight_number": ["99999", "1Z"],
        "destination": ["ZZZZ", "ZZZZ"],
        "flight_type": [None, "N"],
        "scheduled_departure": ["2017-09-18T00:00", "2031-02-28T23:59"],
    }
)


def test_probabilities_are_calibrated_scores(
    predictor: Predictor, few_flights: Flights, matrix: FloatArray
) -> None:
    """The probability of a flight is the sigmoid of its calibrated log-odds."""
    trees, regression = predictor.booster, predictor.schedule.regression
    raw = (trees.raw_scores(matrix) + regression.raw_scores(matrix)) / 2
    slope, intercept = predictor.calibration.slope, predictor.calibration.intercept
    expected = 1 / (1 + np.exp(-(slope * raw + intercept)))
    found = predictor.predict(few_flights).probability
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert (predictor.probability(matrix) == found).all()


def test_decision_and_band_follow_from_the_probability(
    predictor: Predictor, few_flights: Flights
) -> None:
    """Threshold and bounds are those of the model's decision."""
    scores = predictor.predict(few_flights)
    assert (scores.delayed == (scores.probability >= 0.3)).all()
    by_hand = sum((scores.probability >= bound).astype(int) for bound in (0.15, 0.25, 0.3))
    assert (scores.band == by_hand).all()
    assert set(np.unique(scores.band)) == {0, 1, 2, 3}


def test_a_score_does_not_depend_on_the_batch(predictor: Predictor, few_flights: Flights) -> None:
    """Flights scored one by one have the probabilities of one batch, bit for bit."""
    together = predictor.predict(few_flights.slice(0, 100)).probability.tolist()
    alone = [predictor.predict(few_flights.slice(n, n + 1)).probability[0] for n in range(100)]
    assert alone == together


def test_a_batch_can_mix_flights_with_and_without_a_state(
    predictor: Predictor, few_flights: Flights
) -> None:
    """Flights of a mixed batch have the scores of a batch of their kind, bit for bit."""
    flights = few_flights.slice(0, 60)
    states = np.tile([9.0, 0.5, 30.0] * 4, (60, 1))
    states[::3] = np.nan
    mixed, with_state = predictor.score(flights.seen(states)), np.arange(60) % 3 != 0
    fresh = sigmoid(predictor.fresh.raw_scores(flights.seen(states)))
    assert (mixed[with_state] == fresh[with_state]).all()
    assert (mixed[~with_state] == predictor.score(flights)[~with_state]).all()


def test_margins_and_contributions_are_means(predictor: Predictor, few_flights: Flights) -> None:
    """Margins of both levels are the mean of trees and regression; contributions sum to them."""
    for scorer in (predictor.schedule, predictor.fresh):
        matrix = scorer.builder.transform(few_flights.slice(0, 60))
        trees, linear = scorer.booster.raw_scores(matrix), scorer.regression.raw_scores(matrix)
        margins = scorer.margins(matrix)
        np.testing.assert_allclose(margins, (trees + linear) / 2, atol=1e-12)
        assert np.abs(trees - linear).max() > 0.05
        np.testing.assert_allclose(scorer.contributions(matrix).sum(axis=1), margins, atol=1e-9)


def test_flights_never_seen_are_scored(predictor: Predictor) -> None:
    """Unknown airlines and destinations have a probability and are listed as unknown."""
    scores = predictor.predict(STRANGE)
    assert ((scores.probability > 0) & (scores.probability < 1)).all()
    assert scores.unknown == [["airline", "destination"], ["destination"]]


def test_no_flight_has_no_score(predictor: Predictor) -> None:
    """An empty batch gives empty scores."""
    scores = predictor.predict(STRANGE.slice(0, 0))
    parts = (scores.probability, scores.delayed, scores.band, scores.unknown)
    assert [len(part) for part in parts] == [0, 0, 0, 0]


def test_thousands_of_flights_score_alike_in_training_and_serving(
    bundle: Bundle, frame: pd.DataFrame
) -> None:
    """The typed frame and plain values with a restored model give bitwise equal scores."""
    chosen = frame.iloc[:: len(frame) // 5000]
    trained = bundle.predictor
    served = Predictor(
        Scorer(
            FeatureBuilder.from_json(trained.builder.to_json()),
            Booster(trained.booster.text, threads=1),
            LogisticModel.from_json(json.loads(json.dumps(trained.schedule.regression.to_json()))),
        ),
        trained.fresh,
        trained.calibration,
        trained.decision,
    )
    columns = {name: chosen[name].tolist() for name in SCHEDULE_COLUMNS}
    columns["scheduled_departure"] = [str(at) for at in columns["scheduled_departure"]]
    expected = trained.predict(Flights.from_columns(chosen)).probability
    assert (served.predict(Flights.from_columns(columns)).probability == expected).all()
    assert expected.std() > 0.02


def test_late_training_flights_have_higher_probabilities(
    bundle: Bundle, frame: pd.DataFrame
) -> None:
    """Late training flights have a higher mean probability, and the level is about right."""
    flights, predictor = Flights.from_columns(frame), bundle.predictor
    seen = predictor.builder.point_in_time(flights, month_starts(flights.day))
    probability = predictor.probability(seen)
    late = frame["delayed"].to_numpy()
    assert probability[late].mean() > probability[~late].mean() + 0.03
    assert probability.mean() == pytest.approx(late.mean(), abs=0.05)


@pytest.mark.parametrize(
    "modules",
    [
        "features, model.inference.predictor, model.inference.bundle",
        "serving.api.application, serving.models.loaded",
    ],
)
def test_scoring_needs_no_heavy_package(modules: str) -> None:
    """The imports of a service load none of the packages of training."""
    script = f"import {modules}, sys; print(*(name for name in {HEAVY} if name in sys.modules))"
    command = [sys.executable, "-c", script]
    ended = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    assert ended.stdout.split() == []
