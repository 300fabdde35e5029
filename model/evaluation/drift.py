"""Measure calibration over the year: monthly refit, one fit without refit, recalibration."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from data.flights import Flights
from features.builder import Level
from model.evaluation.metrics import BoolArray, calibration_error, flight_log_loss
from model.evaluation.protocols import Scored, walk_forward
from model.inference.calibration import Calibration, FloatArray, sigmoid
from model.training.fit import TrainingConfig, fit_scorer, prepare

WITHOUT_REFIT = (0, 3)
"""Positions of the walk-forward months whose model also scores all later months: April, July."""
WEEKS = (4, 8)
"""Weeks of flights that a recalibration uses."""
DECIMALS = 4

METHODS: Mapping[str, Callable[[FloatArray, BoolArray], Calibration]] = {
    "Platt": Calibration.fit,
    "level": Calibration.shift,
}

JsonObject = dict[str, Any]


def drift(frame: pd.DataFrame, run: Scored, config: TrainingConfig) -> dict[str, JsonObject]:
    """Return calibration by month at the schedule level, for each way of updating a model.

    Parameters
    ----------
    run
        Walk-forward scores at the schedule level (E3 schedule), refitted before each month.

    Returns
    -------
    By way, then by month and `pooled`: flights, late share, mean probability, log loss and
    expected calibration error. A recalibration before a month uses only flights that were scored
    before they left and whose outcome was known at the start of the month.
    """
    margin = np.full(len(frame), np.nan)
    margin[run.row] = np.log(run.probability / (1.0 - run.probability))
    ways = {"refitted each month": margin, **dict(_without_refit(frame, config))}
    return {
        name: _by_month(frame, probability)
        for way, margins in ways.items()
        for name, probability in _recalibrated(frame, way, margins)
    }


def _without_refit(frame: pd.DataFrame, config: TrainingConfig) -> Iterator[tuple[str, FloatArray]]:
    """Yield the margins of models that are fitted once and score all later flights."""
    folds = list(walk_forward(frame))
    for position in WITHOUT_REFIT:
        if position + 1 >= len(folds):
            return
        fold = folds[position]
        later = np.arange(fold.test.min(), len(frame))
        scorer = fit_scorer(prepare(frame.iloc[fold.train], Level.SCHEDULE, config.home), config)
        margin = np.full(len(frame), np.nan)
        margin[later] = scorer.raw_scores(Flights.from_columns(frame.iloc[later]))
        last = np.datetime64(fold.name, "M") - 1
        yield f"fitted once, to the end of {last}", margin


def _recalibrated(
    frame: pd.DataFrame, way: str, margin: FloatArray
) -> Iterator[tuple[str, FloatArray]]:
    """Yield the probabilities of the model itself, and after each recalibration."""
    yield way, sigmoid(margin)
    for name, method in METHODS.items():
        for weeks in WEEKS:
            yield f"{way}; {name}, {weeks} weeks", _monthly(frame, margin, method, weeks)


def _monthly(
    frame: pd.DataFrame,
    margin: FloatArray,
    method: Callable[[FloatArray, BoolArray], Calibration],
    weeks: int,
) -> FloatArray:
    """Return probabilities that are recalibrated before each month on the weeks before it."""
    scheduled = frame["scheduled_departure"].to_numpy()
    known = np.maximum(scheduled, frame["actual_departure"].to_numpy())
    month, late = scheduled.astype("datetime64[M]"), frame["delayed"].to_numpy(dtype=bool)
    scored, probability = ~np.isnan(margin), np.full(len(frame), np.nan)
    for each in np.unique(month[scored]):
        start = each.astype("datetime64[D]")
        recent = scored & (scheduled >= start - 7 * weeks) & (known < start)
        fitted = method(margin[recent], late[recent]) if recent.any() else Calibration()
        probability[month == each] = fitted.apply(margin[month == each])
    return probability


def _by_month(frame: pd.DataFrame, probability: FloatArray) -> JsonObject:
    scored = ~np.isnan(probability)
    month = frame["scheduled_departure"].to_numpy().astype("datetime64[M]")
    late = frame["delayed"].to_numpy(dtype=bool)
    parts = {str(each): scored & (month == each) for each in np.unique(month[scored])}
    return {
        name: _calibration(late[rows], probability[rows])
        for name, rows in {**parts, "pooled": scored}.items()
    }


def _calibration(late: BoolArray, probability: FloatArray) -> JsonObject:
    values = {
        "late_share": late.mean(),
        "mean_probability": probability.mean(),
        "log_loss": flight_log_loss(late, probability).mean(),
        "ece": calibration_error(late, probability),
    }
    rounded = {name: round(float(value), DECIMALS) for name, value in values.items()}
    return {"n": len(late), **rounded}
