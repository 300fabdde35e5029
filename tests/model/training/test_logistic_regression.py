"""Test the fitted logistic regression against scikit-learn, and its sign constraints."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from model.inference.booster import FloatArray
from model.inference.calibration import sigmoid
from model.inference.logistic_regression import CategoricalColumn, LogisticModel, NumericColumn
from model.training.logistic_regression import MINIMUM_FLIGHTS, PENALTY, fit_logistic_regression

ROWS = 4000


@pytest.fixture(scope="module")
def flights() -> FloatArray:
    """Return two numeric columns, the second with NaNs, and one of five codes, the last rare."""
    random = np.random.default_rng(5)
    codes = random.choice([-1.0, 0.0, 1.0, 2.0, 3.0], ROWS, p=[0.1, 0.5, 0.394, 0.003, 0.003])
    numbers = random.normal([3.0, -100.0], [1.0, 40.0], (ROWS, 2))
    numbers[::7, 1] = np.nan
    return np.column_stack([numbers, codes])


@pytest.fixture(scope="module")
def label(flights: FloatArray) -> FloatArray:
    """Return labels that rise with the first number, fall with the second, and use the code."""
    second = np.nan_to_num(flights[:, 1], nan=-100.0)
    return sigmoid(0.8 * (flights[:, 0] - 3.0) - 0.02 * (second + 100.0) + (flights[:, 2] == 1))


def test_probabilities_equal_those_of_scikit_learn(flights: FloatArray, label: FloatArray) -> None:
    """Soft labels equal a fit in which each flight stands twice, late and punctual, by weight."""
    regression = fit_logistic_regression(flights, label, [2])
    numbers = np.where(np.isnan(flights[:, :2]), np.nanmean(flights[:, :2], axis=0), flights[:, :2])
    scaled = (numbers - numbers.mean(axis=0)) / numbers.std(axis=0)
    kinds = np.column_stack([flights[:, 2] == code for code in (-1, 0, 1)] + [flights[:, 2] > 1])
    twice = np.vstack([np.hstack([scaled, kinds])] * 2)
    model = LogisticRegression(C=1.0 / PENALTY, tol=1e-8, max_iter=1000)
    model.fit(twice, np.repeat([1, 0], ROWS), np.concatenate([label, 1.0 - label]))
    expected = model.predict_proba(twice[:ROWS])[:, 1]
    np.testing.assert_allclose(sigmoid(regression.raw_scores(flights)), expected, atol=2e-4)


def test_rising_columns_have_no_negative_weight(flights: FloatArray, label: FloatArray) -> None:
    """A column with a negative weight gets weight 0 when it may only raise the risk."""
    free = fit_logistic_regression(flights, label, [2])
    bound = fit_logistic_regression(flights, label, [2], rising=[0, 1])
    assert _weights(free)[0] > 0 > _weights(free)[1]
    assert _weights(bound)[0] > 0 == _weights(bound)[1]


def test_rare_codes_share_a_weight(flights: FloatArray, label: FloatArray) -> None:
    """Codes with too few flights share one weight; a frequent unknown code has its own."""
    codes = fit_logistic_regression(flights, label, [2]).columns[2]
    assert isinstance(codes, CategoricalColumn)
    count = [int((flights[:, 2] == code).sum()) for code in (2, 3)]
    assert max(count) < MINIMUM_FLIGHTS
    unknown, _, second, rare, rarer = codes.weights
    assert rare == rarer
    assert len({unknown, second, rare}) == 3
    assert second == max(codes.weights)


def test_the_same_flights_give_the_same_bytes(flights: FloatArray, label: FloatArray) -> None:
    """The saved regression depends on flights and labels only."""
    one, other = (
        json.dumps(fit_logistic_regression(flights, label, [2]).to_json()) for _ in range(2)
    )
    assert one == other


def test_constant_columns_have_no_weight(flights: FloatArray, label: FloatArray) -> None:
    """A column with one value, or with NaNs only, is fitted with weight 0."""
    constant = np.column_stack([flights, np.full(ROWS, 4.0), np.full(ROWS, np.nan)])
    regression = fit_logistic_regression(constant, label, [2])
    assert _weights(regression)[2:] == [0.0, 0.0]
    changed = constant.copy()
    changed[:, 4] = 99.0
    assert (regression.raw_scores(changed) == regression.raw_scores(constant)).all()


def _weights(regression: LogisticModel) -> list[float]:
    return [each.weight for each in regression.columns if isinstance(each, NumericColumn)]
