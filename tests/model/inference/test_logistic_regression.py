"""The line scores as a person would by hand, whatever the rows beside, and divides exactly."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from model.inference.booster import FloatArray
from model.inference.logistic_regression import Codes, LogisticModel, Number

SLOPE = Number(weight=0.5, mean=10.0, low=0.0, high=20.0)
KINDS = Codes(weights=[-0.2, 0.1, 0.7], mean=0.25)
LINE = LogisticModel(-1.0, [SLOPE, KINDS, Number(weight=-2.0, mean=0.5, low=0.0, high=1.0)])


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
    """Weights times values, a weight per code, ends where training ended."""
    assert LINE.raw_scores(np.array([row]))[0] == pytest.approx(expected, abs=1e-12)


def test_a_row_alone_scores_as_among_others() -> None:
    """Bit for bit, for any number of rows and columns beside it."""
    random = np.random.default_rng(0)
    for width in (1, 7, 8, 9, 70):
        line = LogisticModel(
            0.3, [replace(SLOPE, weight=float(w)) for w in random.normal(size=width)]
        )
        matrix = random.normal(10.0, 4.0, (300, width))
        alone = np.concatenate([line.raw_scores(matrix[n : n + 1]) for n in range(300)])
        assert (line.raw_scores(matrix) == alone).all()
        assert (line.raw_scores(np.asfortranarray(matrix)) == alone).all()


def test_contributions_add_up_and_are_about_the_mean() -> None:
    """The columns and the base sum to the score; the mean flight has contributions of zero."""
    matrix = np.array([[4.0, 0.0, 1.0], [np.nan, -1.0, 0.5], [30.0, 1.0, 0.0]])
    parts = LINE.contributions(matrix)
    np.testing.assert_allclose(parts.sum(axis=1), LINE.raw_scores(matrix), atol=1e-12)
    assert parts[1, 0] == parts[1, 2] == 0.0
    assert (parts[:, -1] == parts[0, -1]).all()
    assert parts[2, 1] == pytest.approx(0.7 - 0.25)


def test_a_line_survives_its_file(matrix: FloatArray) -> None:
    """Read back from JSON it scores the same to the last bit."""
    restored = LogisticModel.from_json(json.loads(json.dumps(LINE.to_json())))
    assert restored.columns == LINE.columns
    assert restored.weights == LINE.weights == 5
    some = matrix[:50, :3].copy()
    some[:, 1] = np.arange(50) % 3 - 1
    assert (restored.raw_scores(some) == LINE.raw_scores(some)).all()


def test_a_line_of_numbers_alone_or_of_codes_alone_scores() -> None:
    """Neither kind of column is needed."""
    assert LogisticModel(1.0, [SLOPE]).raw_scores(np.array([[2.0], [4.0]])).tolist() == [2.0, 3.0]
    assert LogisticModel(1.0, [KINDS]).raw_scores(np.array([[1.0]])).tolist() == [1.7]
    assert LogisticModel(1.0, []).raw_scores(np.empty((2, 0))).tolist() == [1.0, 1.0]
