"""Test that QuickScorer gives LightGBM's scores, bit for bit, for every kind of tree that fits."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import lightgbm as lgb
import numpy as np
import pytest

from model.inference.booster import WORTH_TABLES, Booster
from model.inference.calibration import FloatArray
from model.inference.predictor import Predictor
from model.inference.quickscorer.forest import BLOCK, Forest
from model.inference.quickscorer.tree_text import parse

ROWS, COLUMNS, CATEGORIES = 2000, 6, 40
PARAMETERS = {"objective": "binary", "verbosity": -1, "num_threads": 1, "num_leaves": 15}
KINDS: dict[str, dict[str, Any]] = {
    "largest that fit": {"num_leaves": 16},
    "one split": {"num_leaves": 2},
    "unbalanced": {"num_leaves": 16, "min_data_in_leaf": 1, "min_sum_hessian_in_leaf": 0},
    "monotone": {"num_leaves": 15, "monotone_constraints": [0, 0, 0, 1, -1, 0]},
    "missing is a number": {"num_leaves": 12, "use_missing": False},
    "one category against the others": {"num_leaves": 15, "max_cat_to_onehot": 100},
}


def _data(seed: int) -> tuple[FloatArray, FloatArray]:
    """Return a matrix of two columns of codes and four of numbers, some missing, and outcomes."""
    random = np.random.default_rng(seed)
    matrix = random.normal(size=(ROWS, COLUMNS))
    matrix[:, :2] = random.integers(0, CATEGORIES, size=(ROWS, 2))
    matrix[:, 5] = matrix[:, 5].round(1)
    matrix[random.random(matrix.shape) < 0.1] = np.nan
    odd = np.nan_to_num(matrix[:, 0]) % 3 == 1
    target = odd + np.nan_to_num(matrix[:, 2]) * np.nan_to_num(matrix[:, 3], nan=1.0)
    return matrix, (target + random.normal(size=ROWS) > 0.5).astype(float)


def _fitted(seed: int = 0, rounds: int = 60, **parameters: Any) -> lgb.Booster:
    matrix, late = _data(seed)
    parameters = {**PARAMETERS, **parameters}
    training = lgb.Dataset(matrix, late, categorical_feature=[0, 1], params=parameters)
    return lgb.train(parameters, training, rounds)


def _rows(booster: lgb.Booster) -> FloatArray:
    """Return ordinary rows, and rows of thresholds, their neighbours and extreme values."""
    matrix, _ = _data(1)
    random = np.random.default_rng(2)
    extreme = [np.nan, np.inf, -np.inf, 0.0, -0.0, -0.5, -1.0, 0.5, 39.9, 41.0, 1e9, 1e300, -7.0]
    edges = sorted({s.threshold for t in parse(booster.model_to_string())[1] for s in t.splits})
    values = np.array([*extreme, *edges, *np.nextafter(edges, np.inf)])
    return np.concatenate([matrix, random.choice(values, size=(ROWS, COLUMNS))])


@pytest.mark.parametrize("parameters", KINDS.values(), ids=KINDS)
def test_scores_are_those_of_lightgbm(parameters: dict[str, Any]) -> None:
    """Scores by trees of every kind equal those of LightGBM's package to the last bit."""
    booster = _fitted(**parameters)
    rows = _rows(booster)
    forest = Forest.of(booster.model_to_string())
    assert forest is not None
    scores = forest.raw_scores(rows)
    assert (scores == booster.predict(rows, raw_score=True)).all()
    assert len(np.unique(scores)) > 100


def test_more_than_256_thresholds_of_a_feature() -> None:
    """Scores are right if a feature has more intervals than a byte can count."""
    booster = _fitted(rounds=400, num_leaves=16, max_bin=1000, min_data_in_bin=1)
    trees = parse(booster.model_to_string())[1]
    thresholds = {s.threshold for tree in trees for s in tree.splits if s.feature == COLUMNS - 3}
    assert len(thresholds) > 256
    rows = _rows(booster)
    assert (Forest(trees).raw_scores(rows) == booster.predict(rows, raw_score=True)).all()


def test_the_served_model_fits(predictor: Predictor, matrix: FloatArray) -> None:
    """The Boosters of `train.py` fit into tables at both levels."""
    for scorer in (predictor.schedule, predictor.fresh):
        assert Forest.of(scorer.booster.text) is not None
    forest = Forest.of(predictor.booster.text)
    assert forest is not None
    reference = lgb.Booster(model_str=predictor.booster.text)
    assert (forest.raw_scores(matrix) == reference.predict(matrix, raw_score=True)).all()


def test_a_score_does_not_depend_on_the_batch() -> None:
    """A score depends neither on the number of rows nor on the ends of blocks."""
    booster = _fitted()
    rows = _rows(booster)
    forest = Forest.of(booster.model_to_string())
    assert forest is not None
    expected = forest.raw_scores(rows)
    for count in (1, 2, 3, 7, 8, 9, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 5):
        assert (forest.raw_scores(rows[:count]) == expected[:count]).all()
        assert (forest.raw_scores(rows[count:]) == expected[count:]).all()
    assert forest.raw_scores(rows[:0]).shape == (0,)


@pytest.mark.parametrize(
    "parameters",
    [
        {"num_leaves": 17, "min_data_in_leaf": 5},
        {"num_leaves": 8, "zero_as_missing": True},
        {"num_leaves": 8, "linear_tree": True},
        {"num_leaves": 8, "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5},
        {"num_leaves": 8, "objective": "multiclass", "num_class": 2},
    ],
    ids=["too many leaves", "zero is missing", "linear leaves", "mean of trees", "two scores"],
)
def test_trees_that_do_not_fit_have_no_tables(parameters: dict[str, Any]) -> None:
    """`Forest.of` returns None for trees that 16 bits cannot represent."""
    booster = _fitted(rounds=20, **parameters)
    assert Forest.of(booster.model_to_string()) is None


def test_a_booster_scores_alike_before_and_after_its_tables() -> None:
    """Building the tables changes no score; a large batch builds them without a call."""
    package = _fitted()
    rows = np.resize(_rows(package), (WORTH_TABLES, COLUMNS))
    expected = package.predict(rows, raw_score=True)
    explicit, implicit = (Booster(package.model_to_string(), threads=1) for _ in range(2))
    assert (explicit.raw_scores(rows[:500]) == expected[:500]).all()
    explicit.compile()
    assert (explicit.raw_scores(rows[:500]) == expected[:500]).all()
    assert (implicit.raw_scores(rows) == expected).all()


def test_a_large_tree_is_scored_by_lightgbm() -> None:
    """A Booster whose trees do not fit is scored by LightGBM after `compile` too."""
    package = _fitted(rounds=20, num_leaves=31, min_data_in_leaf=5)
    booster = Booster(package.model_to_string(), threads=1)
    booster.compile()
    rows = np.resize(_rows(package), (WORTH_TABLES, COLUMNS))
    assert (booster.raw_scores(rows) == package.predict(rows, raw_score=True)).all()


def test_trees_without_a_split() -> None:
    """Trees without a split fit into tables and give a constant."""
    matrix, late = _data(0)
    parameters = {"objective": "binary", "verbosity": -1, "min_data_in_leaf": ROWS}
    booster = lgb.train(parameters, lgb.Dataset(matrix, late, params=parameters), 3)
    forest = Forest.of(booster.model_to_string())
    assert forest is not None
    assert (forest.raw_scores(matrix) == booster.predict(matrix, raw_score=True)).all()


def test_a_forest_is_thread_safe() -> None:
    """Concurrent callers get the scores of their own rows."""
    booster = _fitted()
    rows = _rows(booster)
    forest = Forest.of(booster.model_to_string())
    assert forest is not None
    expected = forest.raw_scores(rows)
    starts = list(range(0, len(rows), 100))
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda n: forest.raw_scores(rows[n : n + 100]), starts))
    assert (np.concatenate(parts) == expected).all()
