"""Test scores and contributions of the logistic regression against values computed by hand."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from model.inference.booster import FloatArray
from model.inference.logistic_regression import CategoricalColumn, LogisticModel, NumericColumn

NUMERIC = NumericColumn(weight=0.5, mean=10.0, low=0.0, high=20.0)
CATEGORICAL = CategoricalColumn(weights=[-0.2, 0.1, 0.7], mean=0.25)
FALLING = NumericColumn(weight=-2.0, mean=0.5, low=0.0, high=1.0)
REGRESSION = LogisticModel(-1.0, [NUMERIC, CATEGORICAL, FALLING])


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        pytest.param([4.0, 0.0, 0.0], -1.0 + 2.0 + 0.1, id="plain"),
        pytest.param([4.0, 1.0, 1.0], -1.0 + 2.0 + 0.7 - 2.0, id="all columns"),
        pytest.param([np.nan, 0.0, 0.0], -1.0 + 5.0 + 0.1, id="missing is the mean"),
        pytest.param([4.0, -1.0, 0.0], -1.0 + 2.0 - 0.2, id="unknown code"),
        pytest.param([4.0, 2.0, 0.0], -1.0 + 2.0 - 0.2, id="code beyond the table"),
        pytest.param([900.0, 0.0, 0.0], -1.0 + 10.0 + 0.1, id="above the range"),
        pytest.param([-900.0, 0.0, 7.0], -1.0 + 0.0 + 0.1 - 2.0, id="below and above"),
    ],
)
def test_a_score_is_the_sum_of_its_parts(row: list[float], expected: float) -> None:
    """A score is the sum of weights times values, clipped to the range seen in training."""
    assert REGRESSION.raw_scores(np.array([row]))[0] == pytest.approx(expected, abs=1e-12)


def test_the_score_of_a_row_does_not_depend_on_its_batch() -> None:
    """Scores are equal bit for bit, for any number of rows, columns and either memory layout."""
    random = np.random.default_rng(0)
    for width in (1, 7, 8, 9, 70):
        regression = LogisticModel(
            0.3, [replace(NUMERIC, weight=float(w)) for w in random.normal(size=width)]
        )
        matrix = random.normal(10.0, 4.0, (300, width))
        alone = np.concatenate([regression.raw_scores(matrix[n : n + 1]) for n in range(300)])
        assert (regression.raw_scores(matrix) == alone).all()
        assert (regression.raw_scores(np.asfortranarray(matrix)) == alone).all()


def test_contributions_add_up_and_are_about_the_mean() -> None:
    """Columns and base sum to the score; a column at its mean contributes zero."""
    matrix = np.array([[4.0, 0.0, 1.0], [np.nan, -1.0, 0.5], [30.0, 1.0, 0.0]])
    parts = REGRESSION.contributions(matrix)
    np.testing.assert_allclose(parts.sum(axis=1), REGRESSION.raw_scores(matrix), atol=1e-12)
    assert parts[1, 0] == parts[1, 2] == 0.0
    assert (parts[:, -1] == parts[0, -1]).all()
    assert parts[2, 1] == pytest.approx(0.7 - 0.25)


def test_a_regression_survives_its_file(matrix: FloatArray) -> None:
    """A regression that is read back from JSON gives the same scores to the last bit."""
    saved = REGRESSION.to_json()
    assert [each["kind"] for each in saved["columns"]] == ["number", "codes", "number"]
    restored = LogisticModel.from_json(json.loads(json.dumps(saved)))
    assert restored.columns == REGRESSION.columns
    assert restored.weights == REGRESSION.weights == 5
    some = matrix[:50, :3].copy()
    some[:, 1] = np.arange(50) % 3 - 1
    assert (restored.raw_scores(some) == REGRESSION.raw_scores(some)).all()


def test_one_kind_of_column_is_enough() -> None:
    """A regression of numeric columns only, of codes only, or of no column gives scores."""
    rows = np.array([[2.0], [4.0]])
    assert LogisticModel(1.0, [NUMERIC]).raw_scores(rows).tolist() == [2.0, 3.0]
    assert LogisticModel(1.0, [CATEGORICAL]).raw_scores(np.array([[1.0]])).tolist() == [1.7]
    assert LogisticModel(1.0, []).raw_scores(np.empty((2, 0))).tolist() == [1.0, 1.0]
