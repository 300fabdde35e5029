"""Run one attempt on one group of protocols with one seed, and compute its figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from model.evaluation.metrics import FIGURES, BoolArray, figures, flight_log_loss
from model.experiments.evidence.thresholds import best_f1, consequences, fixed_rules
from model.experiments.evidence.timing import Stopwatch, microseconds
from model.experiments.methods.table import Method, Training
from model.experiments.run.folds import GROUPS, FoldData
from model.experiments.run.results import Record
from model.inference.calibration import FloatArray

THRESHOLD_FREE = FIGURES[: FIGURES.index("precision")]
FIRST_SEED = 0
_DECIMALS = 5


def run(
    method: Method, group: str, folds: Sequence[FoldData], frame: pd.DataFrame, seed: int
) -> Record:
    """Fit on every fold of the group and score its protocols.

    Parameters
    ----------
    folds
        The folds of the group.
    frame
        The frame of their rows; only the outcomes of scored flights are read from it.

    Returns
    -------
    Processor seconds per fit, microseconds per scored flight (first seed only) and, by protocol,
    figures, consequences of the threshold rules, and log loss by day.
    """
    watch = Stopwatch()
    probability = {protocol: np.full(len(frame), np.nan) for protocol in GROUPS[group]}
    cost: dict[str, float] | None = None
    for fold in folds:
        with watch.running():
            score = method.fit(fold.training, seed)
        for protocol, table in fold.scored.items():
            probability[protocol][fold.rows.test] = score(table)
        if seed == FIRST_SEED and fold is folds[-1]:
            cost = microseconds(score, fold.scored[GROUPS[group][-1]])
    return {
        "fit_seconds": watch.seconds / len(folds),
        "microseconds": cost,
        "protocols": {
            protocol: _summary(frame, folds, each, _chosen(method, group, folds, frame, each, seed))
            for protocol, each in probability.items()
        },
    }


def _summary(
    frame: pd.DataFrame,
    folds: Sequence[FoldData],
    probability: FloatArray,
    chosen: FloatArray | None,
) -> dict[str, Any]:
    """Return figures, consequences of the threshold rules and losses by day of one protocol."""
    rows = np.concatenate([fold.rows.test for fold in folds])
    constant = np.concatenate(
        [np.full(len(fold.rows.test), fold.training.late.mean()) for fold in folds]
    )
    late, probability = _late(frame)[rows], probability[rows]
    rules = fixed_rules(constant)
    if chosen is not None:
        rules["f1"] = chosen[rows]
    found = figures(late, probability, constant, 0.5)
    return {
        **{name: found[name] for name in THRESHOLD_FREE},
        "n": len(rows),
        "rules": {name: consequences(late, probability, rule) for name, rule in rules.items()},
        "by_day": _by_day(frame, rows, late, probability),
    }


def _chosen(
    method: Method,
    group: str,
    folds: Sequence[FoldData],
    frame: pd.DataFrame,
    probability: FloatArray,
    seed: int,
) -> FloatArray | None:
    """Return each scored flight's threshold with the best F1 on flights of its training data.

    In walk-forward (E3) these are the months scored before (the first month has none), in the
    split by day (E2) the other folds. The random split (E1) has one fold: a fifth of its training
    flights is held out of a second fit, with the first seed only.
    """
    late = _late(frame)
    threshold = np.full(len(frame), np.nan)
    if group == "E1":
        if seed != FIRST_SEED:
            return None
        threshold[folds[0].rows.test] = _held_out(method, folds[0].training, seed)
        return threshold
    for position, fold in enumerate(folds):
        others = folds[:position] if group.startswith("E3") else [e for e in folds if e is not fold]
        if others:
            known = np.concatenate([other.rows.test for other in others])
            threshold[fold.rows.test] = best_f1(late[known], probability[known])
    return threshold if len(folds) > 1 else None


def _held_out(method: Method, training: Training, seed: int) -> float:
    """Return the best threshold on a fifth of the days, scored by a fit on the others."""
    held = training.day % 5 == 0
    validation = training.pick(np.flatnonzero(held))
    score = method.fit(training.pick(np.flatnonzero(~held)), seed)
    return best_f1(validation.late, score(validation.table))


def _by_day(
    frame: pd.DataFrame, rows: Any, late: BoolArray, probability: FloatArray
) -> dict[str, list[float]]:
    """Return the number of flights and the summed log loss of each day."""
    day = frame["scheduled_departure"].to_numpy()[rows].astype("datetime64[D]")
    days, position = np.unique(day, return_inverse=True)
    loss = np.bincount(position, weights=flight_log_loss(late, probability))
    count = np.bincount(position)
    return {
        str(each): [int(n), round(float(x), _DECIMALS)]
        for each, n, x in zip(days, count, loss, strict=True)
    }


def _late(frame: pd.DataFrame) -> BoolArray:
    late: BoolArray = frame["delayed"].to_numpy(dtype=bool)
    return late
