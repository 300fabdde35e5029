"""Search the parameters of the Booster by log loss on the first walk-forward months."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data.airports.config import AirportConfig
from data.flights import Flights
from data.frame import data_hash
from features.builder import Level
from model.errors import MissingExtra, TooFewFlights
from model.evaluation.metrics import BoolArray, flight_log_loss
from model.evaluation.protocols import PROTOCOLS, Fold, FoldsOf, evaluate, walk_forward
from model.inference.calibration import FloatArray, sigmoid
from model.training.fit import PARAMETERS, ROUNDS, TrainingConfig, TrainingSet, fit_booster, prepare
from model.tuning.study import Study, Trial

SEARCH_MONTHS = 3
"""Walk-forward months that the search scores: the first ones after the warm-up."""
SEARCH_ROUNDS = ROUNDS

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Task:
    """Month of the search: its training set and the flights to score."""

    month: str
    training_set: TrainingSet
    matrix: FloatArray
    late: BoolArray


def search(
    frame: pd.DataFrame, config: TrainingConfig, trials: int, path: Path | None = None
) -> TrainingConfig:
    """Return the config with the parameters of lowest log loss on the first walk-forward months.

    Optuna's TPE sampler draws them, seeded by the config. The fixed parameters are the first
    trial, so the result is never worse than they are on those months.

    Parameters
    ----------
    trials
        Parameter sets in the finished study, including those of earlier runs.
    path
        File of the study, written after each trial. A stopped study continues from it with the
        same result as one run without a stop.

    Raises
    ------
    MissingExtra
        If optuna is not installed.
    TooFewFlights
        If the frame is too short for a walk-forward evaluation.
    StudyError
        If the file holds a study of other flights, trees or another seed.
    """
    optuna = _optuna()
    folds = list(walk_forward(frame))[:SEARCH_MONTHS]
    if not folds:
        message = "a search needs at least four months of flights"
        raise TooFewFlights(message)
    study = Study.open(path, _terms(frame, folds, config))
    tasks = [_task(frame, fold, config.home) for fold in folds]
    sampled = optuna.create_study()
    for trial in study.trials:
        _replay(optuna, sampled, trial)
    for number in range(len(study.trials), trials):
        # each trial has a seed of its own, so that a stop does not change what is drawn
        sampled.sampler = optuna.samplers.TPESampler(seed=config.seed * 10_000 + number)
        if number == 0:
            sampled.enqueue_trial({name: PARAMETERS[name] for name in _SPACE})
        sampled.optimize(partial(_try, study, tasks, config), n_trials=1)
        logger.info("trial %s: log loss %.5f", number, study.trials[-1].log_loss)
    best = study.best
    logger.info("best of %s: log loss %.5f, %s", len(study.trials), best.log_loss, best.parameters)
    return replace(config, parameters={**PARAMETERS, **best.parameters})


def confirm(frame: pd.DataFrame, config: TrainingConfig, seeds: Sequence[int]) -> dict[str, Any]:
    """Return the figures of a config, by level, on the months after those of the search."""
    return evaluate(frame, config, seeds, protocols=_LATER)[0]


def _later(folds_of: FoldsOf, frame: pd.DataFrame) -> Iterator[Fold]:
    yield from list(folds_of(frame))[SEARCH_MONTHS:]


_LATER = {
    name: partial(_later, folds_of) for name, folds_of in PROTOCOLS.items() if name.startswith("E3")
}

_SPACE = {
    "learning_rate": (0.02, 0.1),
    "num_leaves": (7, 63),
    "min_data_in_leaf": (20, 300),
    "feature_fraction": (0.3, 1.0),
    "bagging_fraction": (0.5, 1.0),
    "lambda_l2": (0.1, 100.0),
    "cat_smooth": (10.0, 300.0),
    "cat_l2": (10.0, 300.0),
}
"""Range of each searched parameter; those with integer bounds are integers."""


def _optuna() -> Any:
    try:
        import optuna  # noqa: PLC0415 - optional package
    except ImportError as error:
        message = "--trials needs optuna: pip install optuna, or leave --trials out"
        raise MissingExtra(message) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _terms(frame: pd.DataFrame, folds: Sequence[Fold], config: TrainingConfig) -> dict[str, Any]:
    """Return what must be equal for trials to be comparable, apart from their parameters."""
    seen = frame.iloc[: folds[-1].test.max() + 1]
    return {
        "judged_on": [fold.name for fold in folds],
        "flights": data_hash(seen),
        "seed": config.seed,
        "trees": SEARCH_ROUNDS,
        "fixed": {name: value for name, value in PARAMETERS.items() if name not in _SPACE},
    }


def _task(frame: pd.DataFrame, fold: Fold, home: AirportConfig) -> _Task:
    training_set = prepare(frame.iloc[fold.train], Level.SCHEDULE, home)
    test = frame.iloc[fold.test]
    matrix = training_set.builder.transform(Flights.from_columns(test))
    return _Task(fold.name, training_set, matrix, test["delayed"].to_numpy(dtype=bool))


def _try(study: Study, tasks: Sequence[_Task], config: TrainingConfig, drawn: Any) -> float:
    """Score the parameters that Optuna draws, and add them to the study."""
    parameters = _draw(drawn)
    tried = replace(config, parameters={**PARAMETERS, **parameters}, rounds=SEARCH_ROUNDS)
    losses = {task.month: _losses(task, tried) for task in tasks}
    trial = Trial(
        log_loss=float(np.concatenate(list(losses.values())).mean()),
        by_month={month: float(loss.mean()) for month, loss in losses.items()},
        parameters=parameters,
    )
    study.add(trial)
    return trial.log_loss


def _losses(task: _Task, config: TrainingConfig) -> FloatArray:
    booster = fit_booster(task.training_set, config)
    return flight_log_loss(task.late, sigmoid(booster.raw_scores(task.matrix)))


def _draw(drawn: Any) -> dict[str, float]:
    return {
        name: (drawn.suggest_int if isinstance(low, int) else drawn.suggest_float)(
            name, low, high, log=True
        )
        for name, (low, high) in _SPACE.items()
    }


def _replay(optuna: Any, sampled: Any, trial: Trial) -> None:
    """Add a trial of an earlier run to Optuna's study."""
    kinds = optuna.distributions
    ranges = {
        name: (kinds.IntDistribution if isinstance(low, int) else kinds.FloatDistribution)(
            low, high, log=True
        )
        for name, (low, high) in _SPACE.items()
    }
    sampled.add_trial(
        optuna.trial.create_trial(
            params=trial.parameters, distributions=ranges, value=trial.log_loss
        )
    )
