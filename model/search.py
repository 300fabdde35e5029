"""Searches the Booster's parameters, judged on the first months of the year only."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from data.flights import Flights
from features.builder import Level
from model.calibration import sigmoid
from model.errors import MissingExtra, TooFewFlights
from model.evaluation import walk_forward
from model.metrics import flight_log_loss
from model.training import PARAMETERS, ROUNDS, Recipe, fit_booster, prepare

SEARCH_MONTHS = 3
"""Walk-forward months that the search is judged on: the first ones after the warm-up."""
SEARCH_ROUNDS = ROUNDS

logger = logging.getLogger(__name__)


def search(frame: pd.DataFrame, recipe: Recipe, trials: int) -> Recipe:
    """Return the recipe with the parameters that do best on the first walk-forward months.

    Optuna's TPE sampler, seeded by the recipe; the fixed parameters are the first trial, so that
    the result is never worse than they are on those months.

    Raises
    ------
    MissingExtra
        If optuna is not installed.
    TooFewFlights
        If the frame is too short for a walk-forward evaluation.
    """
    try:
        import optuna  # noqa: PLC0415 - needed by this option alone
    except ImportError as error:
        message = "--trials needs optuna: pip install optuna, or leave --trials out"
        raise MissingExtra(message) from error
    folds = list(walk_forward(frame))[:SEARCH_MONTHS]
    if not folds:
        message = "--trials needs at least four months of flights"
        raise TooFewFlights(message)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=recipe.seed))
    study.enqueue_trial({name: PARAMETERS[name] for name in _SPACE})

    def objective(trial: Any) -> float:
        tried = replace(recipe, parameters=_suggest(trial), rounds=SEARCH_ROUNDS)
        losses = []
        for fold in folds:
            train, test = frame.iloc[fold.train], frame.iloc[fold.test]
            scorer = fit_booster(prepare(train, Level.SCHEDULE), tried)
            probability = sigmoid(scorer.raw_scores(Flights.from_columns(test)))
            losses.append(flight_log_loss(test["delayed"].to_numpy(dtype=bool), probability))
        return float(np.concatenate(losses).mean())

    study.optimize(objective, n_trials=trials, show_progress_bar=True)
    logger.info("best of %s trials: log loss %.4f, %s", trials, study.best_value, study.best_params)
    return replace(recipe, parameters={**PARAMETERS, **study.best_params})


_SPACE = {
    "num_leaves": (7, 63),
    "min_data_in_leaf": (20, 300),
    "feature_fraction": (0.3, 1.0),
    "bagging_fraction": (0.5, 1.0),
    "lambda_l2": (0.1, 100.0),
    "cat_smooth": (10.0, 300.0),
    "cat_l2": (10.0, 300.0),
}
"""Range of each searched parameter; those with integer bounds are integers."""


def _suggest(trial: Any) -> dict[str, Any]:
    tried = dict(PARAMETERS)
    for name, (low, high) in _SPACE.items():
        if isinstance(low, int):
            tried[name] = trial.suggest_int(name, low, high, log=True)
        else:
            tried[name] = trial.suggest_float(name, low, high, log=True)
    return tried
