"""Fits the model: one level that knows the schedule, and one that knows fresh outcomes too."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pandas as pd

from data.airports.config import SANTIAGO, AirportConfig
from data.flights import Flights, IntArray, Outcomes
from features.airport import airport_states
from features.builder import FeatureBuilder, Level
from model.errors import TooFewFlights
from model.inference.booster import Booster
from model.inference.calibration import FloatArray
from model.inference.decision import Decision
from model.inference.logistic_regression import LogisticModel
from model.inference.predictor import Predictor
from model.inference.scorer import Scorer
from model.training.labels import LIMIT, matching_centre, soft_labels
from model.training.logistic_regression import fit_logistic_regression

PARAMETERS: dict[str, Any] = {
    "objective": "cross_entropy",
    "learning_rate": 0.05,
    "num_leaves": 15,
    "min_data_in_leaf": 100,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "cat_smooth": 200.0,
    "cat_l2": 200.0,
}
"""Fixed parameters of the Booster, chosen among a dozen by hand: docs/decisions/0005-history.md."""

REPRODUCIBLE: dict[str, Any] = {
    # same data and seed, same trees: on any number of threads
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 0,
    "verbosity": -1,
}

ROUNDS = 250
"""Trees of each Booster."""
MINIMUM_FLIGHTS = 1000

MORE_CATEGORICAL = ("weekday",)
"""Columns that are codes to the line, beside those that are codes to the trees: the days of the
week have an order, which trees can cut, but no slope."""

LEAD_MINUTES = 60
"""How long before its departure a training flight sees the airport's state."""
HIDDEN_SHARE = 0.25
"""Training flights of the fresh level that do not see it: it must score without it too."""
REGRESSION_SEED = 0
"""Draws the flights of which the line does not see it: one line, whatever the trees' seed."""


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """All that decides a fit, beside the flights."""

    seed: int = 0
    parameters: dict[str, Any] = field(default_factory=lambda: dict(PARAMETERS))
    rounds: int = ROUNDS
    decision: Decision = field(default_factory=Decision)
    home: AirportConfig = SANTIAGO


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """What one Booster is fitted on: features and labels of the training flights.

    Attributes
    ----------
    builder
        Fitted on the same flights; its level tells what the Booster will know.
    matrix
        Each row as it could have been seen at its own time, shape ``(n, features)``.
    label
        Shape ``(n,)``.
    """

    builder: FeatureBuilder
    matrix: FloatArray
    label: FloatArray


BoosterTrainer = Callable[[TrainingSet, TrainingConfig], Booster]


def fit(
    frame: pd.DataFrame, recipe: TrainingConfig, grow: BoosterTrainer | None = None
) -> Predictor:
    """Fit the model that is served, on a typed frame.

    Parameters
    ----------
    grow
        Grows the trees of a level; by default `fit_booster`, on this machine.

    Raises
    ------
    TooFewFlights
        If there are too few flights, or only one of the two outcomes.
    """
    schedule, fresh = (
        fit_scorer(prepare(frame, level, recipe.home), recipe, grow)
        for level in (Level.SCHEDULE, Level.FRESH)
    )
    return Predictor(schedule, fresh, decision=recipe.decision)


def prepare(frame: pd.DataFrame, level: Level, home: AirportConfig = SANTIAGO) -> TrainingSet:
    """Fit the features of a level, and see every training flight as it was seen at its time.

    Raises
    ------
    TooFewFlights
        If there are too few flights, or only one of the two outcomes.
    """
    _require_enough(frame["delayed"].to_numpy(dtype=bool))
    flights, outcomes = Flights.from_columns(frame), Outcomes.from_columns(frame)
    builder = FeatureBuilder(level, home).fit(frame, outcomes)
    if level is Level.FRESH:
        flights = flights.seen(airport_states(outcomes, flights.departure - LEAD_MINUTES))
    as_of = month_starts(flights.day) if level is Level.SCHEDULE else flights.day
    # the level of the schedule leans on the year's drift: docs/decisions/0005-history.md
    centre = LIMIT if level is Level.SCHEDULE else matching_centre(outcomes.delay_minutes)
    label = soft_labels(outcomes.delay_minutes, centre)
    return TrainingSet(builder, builder.point_in_time(flights, as_of), label)


def fit_scorer(
    lesson: TrainingSet, recipe: TrainingConfig, grow: BoosterTrainer | None = None
) -> Scorer:
    """Fit what scores at one level: trees, and a line on the same rows."""
    booster = (grow or fit_booster)(lesson, recipe)
    return Scorer(lesson.builder, booster, fit_regression(lesson))


def fit_regression(lesson: TrainingSet) -> LogisticModel:
    """Fit the line of one level, on the rows and labels of its trees; no seed has a part in it."""
    builder = lesson.builder
    matrix = training_matrix(lesson, REGRESSION_SEED)
    names = builder.feature_names
    return fit_regression_on(matrix, lesson.label, names, builder.categorical, builder.monotone)


def fit_regression_on(
    matrix: FloatArray,
    label: FloatArray,
    names: Sequence[str],
    categorical: Collection[str],
    rising: Collection[str],
) -> LogisticModel:
    """Fit a line on named columns.

    Parameters
    ----------
    matrix
        As the line shall see it, shape ``(n, len(names))``.
    label
        Between 0 and 1, shape ``(n,)``.
    categorical, rising
        Names of the columns that are codes to the trees, and of those that may only raise the risk.
    """
    codes = {*categorical, *MORE_CATEGORICAL}
    at_codes, at_rising = (
        [at for at, name in enumerate(names) if name in chosen] for chosen in (codes, rising)
    )
    return fit_logistic_regression(matrix, label, at_codes, at_rising)


def fit_booster(lesson: TrainingSet, recipe: TrainingConfig) -> Booster:
    """Grow the trees of one level."""
    builder = lesson.builder
    dataset = lgb.Dataset(
        training_matrix(lesson, recipe.seed),
        lesson.label,
        feature_name=list(builder.feature_names),
        categorical_feature=list(builder.categorical),
        params={"verbosity": -1},
    )
    booster = lgb.train(parameters(builder, recipe), dataset, num_boost_round=recipe.rounds)
    return Booster(booster.model_to_string())


def parameters(builder: FeatureBuilder, recipe: TrainingConfig) -> dict[str, Any]:
    """What LightGBM is told, beside the number of trees."""
    rising = [int(name in builder.monotone) for name in builder.feature_names]
    return {
        **REPRODUCIBLE,
        **recipe.parameters,
        "seed": recipe.seed,
        "monotone_constraints": rising,
    }


def month_starts(day: IntArray) -> IntArray:
    """First day of each day's month: when a monthly fit last saw outcomes, shape ``(n,)``."""
    months = day.astype("datetime64[D]").astype("datetime64[M]")
    starts: IntArray = months.astype("datetime64[D]").astype(np.int64)
    return starts


def training_matrix(lesson: TrainingSet, seed: int) -> FloatArray:
    """The matrix, with the airport's state hidden from a random share of its rows."""
    return masked(lesson.matrix, lesson.builder.columns_of("airport_now"), seed)


def masked(
    matrix: FloatArray, columns: Sequence[int], seed: int, share: float = HIDDEN_SHARE
) -> FloatArray:
    """The matrix, with the airport's state (these columns) hidden from a random share of rows."""
    if not columns:
        return matrix
    hidden = np.random.default_rng(seed).random(len(matrix)) < share
    hiding = matrix.copy()
    hiding[np.ix_(np.flatnonzero(hidden), np.array(columns))] = np.nan
    return hiding


def _require_enough(late: npt.NDArray[np.bool_]) -> None:
    if len(late) < MINIMUM_FLIGHTS or late.all() or not late.any():
        message = (
            f"{len(late)} flights with {int(late.sum())} delayed are too few to train on: "
            f"at least {MINIMUM_FLIGHTS}, with both outcomes, are needed"
        )
        raise TooFewFlights(message)
