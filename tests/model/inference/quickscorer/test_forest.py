"""Trees as tables: LightGBM's own figures, bit for bit, for every kind of tree that fits."""

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
LEARNED = {"objective": "binary", "verbosity": -1, "num_threads": 1, "num_leaves": 15}
KINDS: dict[str, dict[str, Any]] = {
    "the largest that fit": {"num_leaves": 16},
    "of one split": {"num_leaves": 2},
    "deep and thin": {"num_leaves": 16, "min_data_in_leaf": 1, "min_sum_hessian_in_leaf": 0},
    "monotone": {"num_leaves": 15, "monotone_constraints": [0, 0, 0, 1, -1, 0]},
    "missing is a number": {"num_leaves": 12, "use_missing": False},
    "one category against the others": {"num_leaves": 15, "max_cat_to_onehot": 100},
}


def _data(seed: int) -> tuple[FloatArray, FloatArray]:
    """Two columns of codes, four of numbers, some of them missing; and what to learn."""
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
    parameters = {**LEARNED, **parameters}
    training = lgb.Dataset(matrix, late, categorical_feature=[0, 1], params=parameters)
    return lgb.train(parameters, training, rounds)


def _asked(booster: lgb.Booster) -> FloatArray:
    """Rows of training, and all that the trees have an edge for, or were never taught."""
    matrix, _ = _data(1)
    random = np.random.default_rng(2)
    outlandish = [np.nan, np.inf, -np.inf, 0.0, -0.0, -0.5, -1.0, 0.5, 39.9, 41.0, 1e9, 1e300, -7.0]
    edges = sorted({s.threshold for t in parse(booster.model_to_string())[1] for s in t.splits})
    values = np.array([*outlandish, *edges, *np.nextafter(edges, np.inf)])
    strange = random.choice(values, size=(ROWS, COLUMNS))
    return np.concatenate([matrix, strange])


@pytest.mark.parametrize("parameters", KINDS.values(), ids=KINDS)
def test_scores_are_those_of_lightgbm(parameters: dict[str, Any]) -> None:
    """On trees of every kind, every score equals the package's to the last bit."""
    booster = _fitted(**parameters)
    rows = _asked(booster)
    forest = Forest.of(booster.model_to_string())
    assert forest is not None
    scores = forest.raw_scores(rows)
    assert (scores == booster.predict(rows, raw_score=True)).all()
    assert len(np.unique(scores)) > 100


def test_more_thresholds_than_a_byte_counts() -> None:
    """A feature may be cut into more intervals than a byte has numbers for."""
    booster = _fitted(rounds=400, num_leaves=16, max_bin=1000, min_data_in_bin=1)
    trees = parse(booster.model_to_string())[1]
    thresholds = {s.threshold for tree in trees for s in tree.splits if s.feature == COLUMNS - 3}
    assert len(thresholds) > 256
    rows = _asked(booster)
    assert (Forest(trees).raw_scores(rows) == booster.predict(rows, raw_score=True)).all()


def test_the_served_model_fits(predictor: Predictor, matrix: FloatArray) -> None:
    """What `train.py` makes is scored by tables, at both levels."""
    for scorer in (predictor.schedule, predictor.fresh):
        assert Forest.of(scorer.booster.text) is not None
    forest = Forest.of(predictor.booster.text)
    assert forest is not None
    reference = lgb.Booster(model_str=predictor.booster.text)
    assert (forest.raw_scores(matrix) == reference.predict(matrix, raw_score=True)).all()


def test_a_score_does_not_depend_on_the_rows_beside_it() -> None:
    """However many rows are scored together, and wherever a block ends."""
    booster = _fitted()
    rows = _asked(booster)
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
    ids=["too many leaves", "zero is missing", "lines as leaves", "a mean of trees", "two scores"],
)
def test_what_does_not_fit_is_left_to_lightgbm(parameters: dict[str, Any]) -> None:
    """Trees that bits cannot stand for give no forest, and are scored all the same."""
    booster = _fitted(rounds=20, **parameters)
    assert Forest.of(booster.model_to_string()) is None


def test_a_booster_scores_alike_before_and_after_its_tables() -> None:
    """Making the tables changes no score; many rows make them by themselves."""
    package = _fitted()
    rows = np.resize(_asked(package), (WORTH_TABLES, COLUMNS))
    expected = package.predict(rows, raw_score=True)
    told, by_itself = (Booster(package.model_to_string(), threads=1) for _ in range(2))
    assert (told.raw_scores(rows[:500]) == expected[:500]).all()
    told.compile()
    assert (told.raw_scores(rows[:500]) == expected[:500]).all()
    assert (by_itself.raw_scores(rows) == expected).all()


def test_a_large_tree_is_scored_by_lightgbm() -> None:
    """A Booster whose trees do not fit goes on by LightGBM's own prediction."""
    package = _fitted(rounds=20, num_leaves=31, min_data_in_leaf=5)
    booster = Booster(package.model_to_string(), threads=1)
    booster.compile()
    rows = np.resize(_asked(package), (WORTH_TABLES, COLUMNS))
    assert (booster.raw_scores(rows) == package.predict(rows, raw_score=True)).all()


def test_trees_without_a_split() -> None:
    """A constant is a forest too."""
    matrix, late = _data(0)
    parameters = {"objective": "binary", "verbosity": -1, "min_data_in_leaf": ROWS}
    booster = lgb.train(parameters, lgb.Dataset(matrix, late, params=parameters), 3)
    forest = Forest.of(booster.model_to_string())
    assert forest is not None
    assert (forest.raw_scores(matrix) == booster.predict(matrix, raw_score=True)).all()


def test_one_forest_serves_many_callers() -> None:
    """Callers at the same time each get the scores of their own rows."""
    booster = _fitted()
    rows = _asked(booster)
    forest = Forest.of(booster.model_to_string())
    assert forest is not None
    expected = forest.raw_scores(rows)
    starts = list(range(0, len(rows), 100))
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda n: forest.raw_scores(rows[n : n + 100]), starts))
    assert (np.concatenate(parts) == expected).all()
