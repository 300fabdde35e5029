"""Fits the model: the number of trees by early stopping on the last weeks, then all flights."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pandas as pd

from data.catalogue import DELAY_MINUTES
from data.flights import Flights
from features.builder import FeatureBuilder
from model.booster import Booster
from model.calibration import Calibration, sigmoid
from model.decision import Decision
from model.errors import TooFewFlights
from model.predictor import Predictor

PARAMETERS: dict[str, Any] = {
    "objective": "cross_entropy",
    "learning_rate": 0.05,
    "num_leaves": 31,
    "min_data_in_leaf": 60,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "cat_smooth": 100.0,
    "cat_l2": 100.0,
}
"""Fixed parameters of the Booster; chosen by `python train.py --trials`."""

REPRODUCIBLE: dict[str, Any] = {
    # same data and seed, same trees: on any number of threads
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 0,
    "verbosity": -1,
}

MINIMUM_ROUNDS, MAXIMUM_ROUNDS = 250, 400
PATIENCE = 40
"""Rounds without improvement on the last weeks after which more trees are not tried."""
HOLDOUT_DAYS = 28
"""The last weeks of the training window, on which the number of trees is chosen."""
MINIMUM_FLIGHTS = 1000

SOFTNESS_MINUTES = 4.0
"""How gradually a training label passes from on time to late around the limit."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that decides a fit, beside the flights."""

    seed: int = 0
    parameters: dict[str, Any] = field(default_factory=lambda: dict(PARAMETERS))
    rounds: int | None = None
    """Number of trees, where it is fixed; otherwise early stopping finds it."""
    decision: Decision = field(default_factory=Decision)


def fit(frame: pd.DataFrame, recipe: Recipe) -> Predictor:
    """Fit on a typed, time-ordered frame.

    The last `HOLDOUT_DAYS` are held out once, to choose the number of trees; then builder and
    Booster are fitted again on all flights.

    Raises
    ------
    TooFewFlights
        If there are too few flights, or only one of the two outcomes.
    """
    late = frame["delayed"].to_numpy(dtype=bool)
    if len(frame) < MINIMUM_FLIGHTS or late.all() or not late.any():
        message = (
            f"{len(frame)} flights with {int(late.sum())} delayed are too few to train on: "
            f"at least {MINIMUM_FLIGHTS}, with both outcomes, are needed"
        )
        raise TooFewFlights(message)
    rounds = recipe.rounds or choose_rounds(frame, recipe)
    builder = FeatureBuilder().fit(frame)
    dataset = _dataset(builder, frame, soft_labels(frame))
    booster = lgb.train(_parameters(recipe), dataset, num_boost_round=rounds)
    return Predictor(builder, Booster(booster.model_to_string()), Calibration(), recipe.decision)


def soft_labels(frame: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Return training labels between 0 and 1, shape ``(n,)``: how clearly a flight was late.

    A flight 14 minutes late and one 16 minutes late are all but the same flight, and one 90
    minutes late says more than either. The logistic curve around the limit tells the Booster
    so; it is fitted by cross entropy and judged, everywhere, on the hard outcome.
    """
    # delays are whole minutes: late begins between 15 and 16
    excess = frame["delay_minutes"].to_numpy(dtype=np.float64) - (DELAY_MINUTES + 0.5)
    return sigmoid(excess / SOFTNESS_MINUTES)


def choose_rounds(frame: pd.DataFrame, recipe: Recipe) -> int:
    """Return the number of trees at which the log loss of the last weeks stops falling.

    Held to at least `MINIMUM_ROUNDS`: a few weeks are a noisy judge, and stop too early when
    they happen to be unlike the months before.
    """
    departure = frame["scheduled_departure"]
    last_weeks = (departure >= departure.max() - pd.Timedelta(days=HOLDOUT_DAYS)).to_numpy()
    seen, held_out = frame[~last_weeks], frame[last_weeks]
    if len(seen) < MINIMUM_FLIGHTS // 2:
        return MINIMUM_ROUNDS
    builder = FeatureBuilder().fit(seen)
    dataset = _dataset(builder, seen, soft_labels(seen))
    outcome = held_out["delayed"].to_numpy(dtype=np.float64)
    booster = lgb.train(
        _parameters(recipe),
        dataset,
        num_boost_round=MAXIMUM_ROUNDS,
        valid_sets=[_dataset(builder, held_out, outcome, reference=dataset)],
        callbacks=[lgb.early_stopping(PATIENCE, verbose=False)],
    )
    return max(MINIMUM_ROUNDS, booster.best_iteration)


def _parameters(recipe: Recipe) -> dict[str, Any]:
    return {**REPRODUCIBLE, **recipe.parameters, "seed": recipe.seed}


def _dataset(
    builder: FeatureBuilder,
    frame: pd.DataFrame,
    label: npt.NDArray[np.float64],
    reference: lgb.Dataset | None = None,
) -> lgb.Dataset:
    return lgb.Dataset(
        builder.transform(Flights.from_columns(frame)),
        label,
        reference=reference,
        feature_name=list(builder.feature_names),
        categorical_feature=list(builder.categorical),
        params={"verbosity": -1},
    )
