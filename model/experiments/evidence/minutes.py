"""Predict quantiles of the delay in minutes, with a conformal correction.

Two more Boosters predict the minutes after the schedule within which half, and nine of ten, of
such flights leave. The result decided that the service gives no interval in minutes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd

from model.experiments.methods.table import Training
from model.experiments.run.folds import FoldData
from model.experiments.run.results import Record
from model.inference.calibration import FloatArray
from model.training.fit import PARAMETERS, REPRODUCIBLE

QUANTILES = (0.5, 0.9)
WEEKS = 6
"""Last weeks of the training flights, from which the correction is learned."""
ROUNDS = 150


def judge_minutes(folds: Sequence[FoldData], frame: pd.DataFrame, seed: int = 0) -> Record:
    """Return pinball loss and coverage of p50 and p90, raw and corrected, over the scored months.

    The baseline is the quantiles of all training flights.
    """
    rows = np.concatenate([fold.rows.test for fold in folds])
    delay = frame["delay_minutes"].to_numpy(dtype=float)[rows]
    month = frame["scheduled_departure"].to_numpy()[rows].astype("datetime64[M]").astype(str)
    parts = [_predict(fold, seed) for fold in folds]
    predicted = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    found: dict[str, Any] = {}
    for name, values in predicted.items():
        quantile = float(name.split()[0][1:]) / 100
        found[name] = {
            "pinball": float(_pinball(delay, values, quantile).mean()),
            "coverage": float((delay <= values).mean()),
            "by_month": {
                each: round(float((delay <= values)[month == each].mean()), 4)
                for each in np.unique(month)
            },
        }
    return {"n": len(rows), "quantiles": found}


def correction(quantile: float, delay: FloatArray, predicted: FloatArray) -> float:
    """Return the minutes to add so that held-out flights have the nominal coverage.

    References
    ----------
    Romano, Patterson, Candès, "Conformalized quantile regression", NeurIPS 2019: one-sided.
    """
    excess = np.sort(delay - predicted)
    rank = min(len(excess), int(np.ceil(quantile * (len(excess) + 1))))
    return float(excess[rank - 1])


def _predict(fold: FoldData, seed: int) -> dict[str, FloatArray]:
    training, matrix = fold.training, fold.scored["E3.schedule"].matrix
    before, recent = training.split_last(WEEKS)
    found = {}
    for quantile in QUANTILES:
        name = f"p{100 * quantile:.0f}"
        known = training.outcomes.delay_minutes
        found[f"{name} constant"] = np.full(len(matrix), np.quantile(known, quantile))
        found[f"{name} boosted"] = _fit(training, quantile, seed)(matrix)
        early = _fit(before, quantile, seed)
        shift = correction(quantile, recent.outcomes.delay_minutes, early(recent.table.matrix))
        found[f"{name} corrected"] = early(matrix) + shift
    return found


def _fit(training: Training, quantile: float, seed: int) -> Any:
    table = training.table
    dataset = lgb.Dataset(
        table.matrix,
        training.outcomes.delay_minutes,
        categorical_feature=table.categorical(),
        params={"verbosity": -1},
    )
    parameters = {
        **REPRODUCIBLE,
        **PARAMETERS,
        "objective": "quantile",
        "alpha": quantile,
        "seed": seed,
    }
    return lgb.train(parameters, dataset, ROUNDS).predict


def _pinball(delay: FloatArray, predicted: FloatArray, quantile: float) -> FloatArray:
    error = delay - predicted
    loss: FloatArray = np.maximum(quantile * error, (quantile - 1) * error)
    return loss
