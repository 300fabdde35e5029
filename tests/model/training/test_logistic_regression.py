"""The line is what logistic regression says it is, with the signs that were asked for."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from model.inference.booster import FloatArray
from model.inference.calibration import sigmoid
from model.inference.logistic_regression import Codes, LogisticModel, Number
from model.training.logistic_regression import MINIMUM_FLIGHTS, PENALTY, fit_linear

ROWS = 4000


@pytest.fixture(scope="module")
def flights() -> FloatArray:
    """Give two numbers, the second with gaps, and a column of five codes, the last ones rare."""
    random = np.random.default_rng(5)
    codes = random.choice([-1.0, 0.0, 1.0, 2.0, 3.0], ROWS, p=[0.1, 0.5, 0.394, 0.003, 0.003])
    numbers = random.normal([3.0, -100.0], [1.0, 40.0], (ROWS, 2))
    numbers[::7, 1] = np.nan
    return np.column_stack([numbers, codes])


@pytest.fixture(scope="module")
def label(flights: FloatArray) -> FloatArray:
    """Labels that rise with the first number, fall with the second, and depend on the code."""
    second = np.nan_to_num(flights[:, 1], nan=-100.0)
    return sigmoid(0.8 * (flights[:, 0] - 3.0) - 0.02 * (second + 100.0) + (flights[:, 2] == 1))


def test_it_is_the_logistic_regression_of_the_soft_labels(
    flights: FloatArray, label: FloatArray
) -> None:
    """Scikit-learn, given each flight twice, late and punctual, finds the same probabilities."""
    line = fit_linear(flights, label, [2])
    numbers = np.where(np.isnan(flights[:, :2]), np.nanmean(flights[:, :2], axis=0), flights[:, :2])
    scaled = (numbers - numbers.mean(axis=0)) / numbers.std(axis=0)
    kinds = np.column_stack([flights[:, 2] == code for code in (-1, 0, 1)] + [flights[:, 2] > 1])
    twice = np.vstack([np.hstack([scaled, kinds])] * 2)
    model = LogisticRegression(C=1.0 / PENALTY, tol=1e-8, max_iter=1000)
    model.fit(twice, np.repeat([1, 0], ROWS), np.concatenate([label, 1.0 - label]))
    expected = model.predict_proba(twice[:ROWS])[:, 1]
    np.testing.assert_allclose(sigmoid(line.raw_scores(flights)), expected, atol=2e-4)


def test_what_may_only_raise_the_risk_does(flights: FloatArray, label: FloatArray) -> None:
    """A number that would lower it has no weight at all where it is not allowed to."""
    free = fit_linear(flights, label, [2])
    bound = fit_linear(flights, label, [2], rising=[0, 1])
    assert _weights(free)[0] > 0 > _weights(free)[1]
    assert _weights(bound)[0] > 0 == _weights(bound)[1]


def test_rare_codes_share_a_weight(flights: FloatArray, label: FloatArray) -> None:
    """Codes with too few flights share a weight; the unknown one, if frequent, has its own."""
    codes = fit_linear(flights, label, [2]).columns[2]
    assert isinstance(codes, Codes)
    count = [int((flights[:, 2] == code).sum()) for code in (2, 3)]
    assert max(count) < MINIMUM_FLIGHTS
    unknown, _, second, rare, rarer = codes.weights
    assert rare == rarer
    assert len({unknown, second, rare}) == 3
    assert second == max(codes.weights)


def test_the_same_flights_give_the_same_bytes(flights: FloatArray, label: FloatArray) -> None:
    """Nothing but flights and labels decides what is kept."""
    one, other = (json.dumps(fit_linear(flights, label, [2]).to_json()) for _ in range(2))
    assert one == other


def test_columns_that_say_nothing_weigh_nothing(flights: FloatArray, label: FloatArray) -> None:
    """A column that is always the same, or always missing, is fitted and adds nothing."""
    empty = np.column_stack([flights, np.full(ROWS, 4.0), np.full(ROWS, np.nan)])
    line = fit_linear(empty, label, [2])
    assert _weights(line)[2:] == [0.0, 0.0]
    told = empty.copy()
    told[:, 4] = 99.0
    assert (line.raw_scores(told) == line.raw_scores(empty)).all()


def _weights(line: LogisticModel) -> list[float]:
    return [each.weight for each in line.columns if isinstance(each, Number)]
