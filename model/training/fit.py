"""Fit the model at two levels of information: the schedule, and fresh outcomes too."""

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
"""Parameters of the Booster, chosen by hand among a dozen: docs/decisions/0005-history.md."""

REPRODUCIBLE: dict[str, Any] = {
    # the same data and seed give the same trees on any number of threads
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 0,
    "verbosity": -1,
}

ROUNDS = 250
"""Trees of each Booster."""
MINIMUM_FLIGHTS = 1000

MORE_CATEGORICAL = ("weekday",)
"""Columns that are categorical in the regression only: trees can split the days of the week by
their order, but the risk has no slope along it."""

LEAD_MINUTES = 60
"""Minutes before departure at which a training flight observes the airport's state."""
HIDDEN_SHARE = 0.25
"""Share of training flights whose airport state is masked: the fresh level also scores without."""
REGRESSION_SEED = 0
"""Seed of that mask for the regression, which is the same for every seed of the trees."""


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """Seed, parameters, trees, decision and airport of a fit."""

    seed: int = 0
    parameters: dict[str, Any] = field(default_factory=lambda: dict(PARAMETERS))
    rounds: int = ROUNDS
    decision: Decision = field(default_factory=Decision)
    home: AirportConfig = SANTIAGO


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Features and labels of the training flights of one level.

    Attributes
    ----------
    builder
        Fitted on the same flights; its level is that of the model.
    matrix
        Point-in-time features: each row uses only what was known then, shape ``(n, features)``.
    label
        Soft labels, shape ``(n,)``.
    """

    builder: FeatureBuilder
    matrix: FloatArray
    label: FloatArray


BoosterTrainer = Callable[[TrainingSet, TrainingConfig], Booster]


def fit(
    frame: pd.DataFrame, config: TrainingConfig, train_booster: BoosterTrainer | None = None
) -> Predictor:
    """Fit the model that is served, on a typed frame.

    Parameters
    ----------
    train_booster
        Fits the trees of a level; by default `fit_booster`, on this machine.

    Raises
    ------
    TooFewFlights
        If there are too few flights, or only one of the two outcomes.
    """
    schedule, fresh = (
        fit_scorer(prepare(frame, level, config.home), config, train_booster)
        for level in (Level.SCHEDULE, Level.FRESH)
    )
    return Predictor(schedule, fresh, decision=config.decision)


def prepare(frame: pd.DataFrame, level: Level, home: AirportConfig = SANTIAGO) -> TrainingSet:
    """Fit the features of a level and return point-in-time features and labels of its flights.

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
    # the schedule level has a higher base level on purpose: docs/decisions/0005-history.md
    centre = LIMIT if level is Level.SCHEDULE else matching_centre(outcomes.delay_minutes)
    label = soft_labels(outcomes.delay_minutes, centre)
    return TrainingSet(builder, builder.point_in_time(flights, as_of), label)


def fit_scorer(
    training_set: TrainingSet, config: TrainingConfig, train_booster: BoosterTrainer | None = None
) -> Scorer:
    """Fit the Booster and the logistic regression of one level, on the same rows."""
    booster = (train_booster or fit_booster)(training_set, config)
    return Scorer(training_set.builder, booster, fit_regression(training_set))


def fit_regression(training_set: TrainingSet) -> LogisticModel:
    """Fit the logistic regression of one level; it does not depend on the seed of the trees."""
    builder = training_set.builder
    matrix = training_matrix(training_set, REGRESSION_SEED)
    names = builder.feature_names
    return fit_regression_on(
        matrix, training_set.label, names, builder.categorical, builder.monotone
    )


def fit_regression_on(
    matrix: FloatArray,
    label: FloatArray,
    names: Sequence[str],
    categorical: Collection[str],
    rising: Collection[str],
) -> LogisticModel:
    """Fit a logistic regression on named columns.

    Parameters
    ----------
    matrix
        Features with the airport's state masked as wanted, shape ``(n, len(names))``.
    label
        Between 0 and 1, shape ``(n,)``.
    categorical, rising
        Names of the columns that are categorical in the trees, and of those whose weight must not
        be negative.
    """
    codes = {*categorical, *MORE_CATEGORICAL}
    at_codes, at_rising = (
        [at for at, name in enumerate(names) if name in chosen] for chosen in (codes, rising)
    )
    return fit_logistic_regression(matrix, label, at_codes, at_rising)


def fit_booster(training_set: TrainingSet, config: TrainingConfig) -> Booster:
    """Fit the trees of one level on this machine."""
    builder = training_set.builder
    dataset = lgb.Dataset(
        training_matrix(training_set, config.seed),
        training_set.label,
        feature_name=list(builder.feature_names),
        categorical_feature=list(builder.categorical),
        params={"verbosity": -1},
    )
    booster = lgb.train(parameters(builder, config), dataset, num_boost_round=config.rounds)
    return Booster(booster.model_to_string())


def parameters(builder: FeatureBuilder, config: TrainingConfig) -> dict[str, Any]:
    """Return the parameters of LightGBM, without the number of trees."""
    rising = [int(name in builder.monotone) for name in builder.feature_names]
    return {
        **REPRODUCIBLE,
        **config.parameters,
        "seed": config.seed,
        "monotone_constraints": rising,
    }


def month_starts(day: IntArray) -> IntArray:
    """Return the first day of each day's month, when a monthly fit last saw outcomes, ``(n,)``."""
    months = day.astype("datetime64[D]").astype("datetime64[M]")
    starts: IntArray = months.astype("datetime64[D]").astype(np.int64)
    return starts


def training_matrix(training_set: TrainingSet, seed: int) -> FloatArray:
    """Return the matrix with the airport's state masked in a random share of its rows."""
    return masked(training_set.matrix, training_set.builder.columns_of("airport_now"), seed)


def masked(
    matrix: FloatArray, columns: Sequence[int], seed: int, share: float = HIDDEN_SHARE
) -> FloatArray:
    """Return the matrix with some columns (the airport's state) NaN in a random share of rows."""
    if not columns:
        return matrix
    hidden = np.random.default_rng(seed).random(len(matrix)) < share
    found = matrix.copy()
    found[np.ix_(np.flatnonzero(hidden), np.array(columns))] = np.nan
    return found


def _require_enough(late: npt.NDArray[np.bool_]) -> None:
    if len(late) < MINIMUM_FLIGHTS or late.all() or not late.any():
        message = (
            f"{len(late)} flights with {int(late.sum())} delayed are too few to train on: "
            f"at least {MINIMUM_FLIGHTS}, with both outcomes, are needed"
        )
        raise TooFewFlights(message)
