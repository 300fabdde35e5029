"""Measure the leak of resampling before the split: its figures are a warning, not a result."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import precision_recall_fscore_support, roc_auc_score
from sklearn.model_selection import train_test_split

from data.flights import Flights
from features.builder import FeatureBuilder
from model.evaluation.metrics import BoolArray
from model.experiments.run.folds import columns_of
from model.experiments.run.results import Record
from model.inference.calibration import FloatArray

PLAIN = ("codes", "clock", "holidays", "route")
"""Transformers that use no outcome, so that any difference comes from the split."""


def judge_leak(frame: pd.DataFrame, seed: int = 0) -> Record:
    """Score the same forest on the same columns, late flights repeated before or after the split.

    With repetition before it, copies of one flight are in both parts: the forest scores flights
    that it was trained on, and half of them are late.
    """
    late = frame["delayed"].to_numpy(dtype=bool)
    matrix = _plain_features(frame)
    train, test = train_test_split(np.arange(len(late)), test_size=0.33, random_state=seed)
    repeated = _balanced(np.arange(len(late)), late, seed)
    leaky_train, leaky_test = train_test_split(repeated, test_size=0.33, random_state=seed)
    return {
        "before": _figures(matrix, late, leaky_train, leaky_test, seed),
        "after": _figures(matrix, late, _balanced(train, late, seed), test, seed),
    }


def _plain_features(frame: pd.DataFrame) -> FloatArray:
    builder = FeatureBuilder().fit(frame)
    plain = [at for at, column in enumerate(columns_of(builder)) if column.transformer in PLAIN]
    return np.nan_to_num(builder.transform(Flights.from_columns(frame))[:, plain], nan=-1.0)


def _balanced(rows: Any, late: BoolArray, seed: int) -> Any:
    """Repeat late flights at random until there are as many as punctual ones."""
    few, many = rows[late[rows]], rows[~late[rows]]
    more = np.random.default_rng(seed).choice(few, len(many) - len(few))
    return np.concatenate([rows, more])


def _figures(matrix: FloatArray, late: BoolArray, train: Any, test: Any, seed: int) -> Record:
    forest = RandomForestClassifier(60, min_samples_leaf=2, random_state=seed)
    probability = forest.fit(matrix[train], late[train]).predict_proba(matrix[test])[:, 1]
    precision, recall, f1, _ = precision_recall_fscore_support(
        late[test], probability >= 0.5, average="binary"
    )
    found = {"precision": precision, "recall": recall, "f1": f1}
    found["auc"] = roc_auc_score(late[test], probability)
    return {name: float(value) for name, value in found.items()}
