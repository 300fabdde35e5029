"""Runs one attempt on one group of protocols with one seed, and says how it went."""

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
    method: Method, group: str, exams: Sequence[FoldData], frame: pd.DataFrame, seed: int
) -> Record:
    """Fit on every fold of the group and score its protocols.

    Parameters
    ----------
    exams
        The folds of the group.
    frame
        Whose rows they name; of it only the outcomes of scored flights are read here.

    Returns
    -------
    Processor seconds per fit, microseconds per scored flight (first seed only) and, by protocol,
    figures, consequences of the threshold rules, and log loss by day.
    """
    watch = Stopwatch()
    said = {protocol: np.full(len(frame), np.nan) for protocol in GROUPS[group]}
    cost: dict[str, float] | None = None
    for exam in exams:
        with watch.running():
            score = method.fit(exam.training, seed)
        for protocol, table in exam.scored.items():
            said[protocol][exam.fold.test] = score(table)
        if seed == FIRST_SEED and exam is exams[-1]:
            cost = microseconds(score, exam.scored[GROUPS[group][-1]])
    return {
        "fit_seconds": watch.seconds / len(exams),
        "microseconds": cost,
        "protocols": {
            protocol: _judge(frame, exams, found, _chosen(method, group, exams, frame, found, seed))
            for protocol, found in said.items()
        },
    }


def _judge(
    frame: pd.DataFrame, exams: Sequence[FoldData], said: FloatArray, chosen: FloatArray | None
) -> dict[str, Any]:
    """All that is kept of one protocol's scored flights."""
    rows = np.concatenate([exam.fold.test for exam in exams])
    constant = np.concatenate(
        [np.full(len(exam.fold.test), exam.training.late.mean()) for exam in exams]
    )
    late, probability = _late(frame)[rows], said[rows]
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
    exams: Sequence[FoldData],
    frame: pd.DataFrame,
    said: FloatArray,
    seed: int,
) -> FloatArray | None:
    """Threshold of each scored flight that outcomes of its own fold's training flights chose.

    In E3 they are the months that were scored before (of the first one nothing is known), in E2
    the other folds. E1 has one fold: a fifth of its training flights is held out of a second
    fit, with the first seed only.
    """
    late = _late(frame)
    threshold = np.full(len(frame), np.nan)
    if group == "E1":
        if seed != FIRST_SEED:
            return None
        threshold[exams[0].fold.test] = _held_out(method, exams[0].training, seed)
        return threshold
    for position, exam in enumerate(exams):
        others = exams[:position] if group.startswith("E3") else [e for e in exams if e is not exam]
        if others:
            known = np.concatenate([other.fold.test for other in others])
            threshold[exam.fold.test] = best_f1(late[known], said[known])
    return threshold if len(exams) > 1 else None


def _held_out(method: Method, training: Training, seed: int) -> float:
    """Best threshold on a fifth of the days, scored by a fit on the others."""
    held = training.day % 5 == 0
    judge = training.pick(np.flatnonzero(held))
    score = method.fit(training.pick(np.flatnonzero(~held)), seed)
    return best_f1(judge.late, score(judge.table))


def _by_day(
    frame: pd.DataFrame, rows: Any, late: BoolArray, probability: FloatArray
) -> dict[str, list[float]]:
    """Flights and summed log loss of each day."""
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
