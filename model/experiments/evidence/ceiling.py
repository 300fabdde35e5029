"""How well could any model do? Noise ceilings from flights that repeat, and from oracles.

An oracle is told what no model can know: the late share, among all other flights, of the very day
(or airline and day, or hours and day) that it scores. What it does not reach, better features of
that kind cannot reach either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import beta

from data.flights import Flights, IntArray
from features.builder import Level
from features.history import PRIOR
from features.keys import SLOT_MINUTES
from model.evaluation.metrics import BoolArray, figures
from model.evaluation.protocols import PROTOCOLS, IndexArray
from model.experiments.methods.boosted import Boosted
from model.experiments.methods.table import Column, Method, Table
from model.experiments.run.folds import FoldData, exam_of, lesson_table
from model.experiments.run.results import Record
from model.inference.calibration import FloatArray
from model.training.fit import prepare

EVIDENCE = 5.0
"""Flights that the yearly late share is worth in an oracle's group: most groups are small."""
GRID = 1000
SMALLEST_GROUP = 2

Grouping = Callable[[Flights], npt.NDArray[np.object_]]


def _joined(*columns: Sequence[object] | IntArray) -> npt.NDArray[np.object_]:
    return np.array(["|".join(map(str, row)) for row in zip(*columns, strict=True)], dtype=object)


def _month(flights: Flights) -> IntArray:
    months: IntArray = flights.day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return months


def _hours(flights: Flights) -> IntArray:
    return flights.minute // SLOT_MINUTES


GROUPINGS: Mapping[str, Grouping] = {
    "month": lambda f: _joined(_month(f)),
    "flight": lambda f: _joined(f.airline, f.flight_number),
    "flight and month": lambda f: _joined(f.airline, f.flight_number, _month(f)),
    "day": lambda f: _joined(f.day),
    "airline and day": lambda f: _joined(f.airline, f.day),
    "hours and day": lambda f: _joined(_hours(f), f.day),
    "airline, hours and day": lambda f: _joined(f.airline, _hours(f), f.day),
}
"""Groups of flights whose late share could be known; the hours are slots of two."""


def repeated_flights(frame: pd.DataFrame) -> Record:
    """The best that knowing the exact rate of every group, and nothing else, could do.

    Flights of one group agree in their outcomes more often than strangers do. The number of pairs
    that were both late gives the variance of the groups' true rates without any model; of rates
    that follow a beta distribution with this variance, ROC AUC and log loss follow by arithmetic.
    A group's true rate includes what was yet to come, so this is a ceiling, not a target.
    Pairs of large groups are the most, and count the most.
    """
    flights = Flights.from_columns(frame)
    late = frame["delayed"].to_numpy(dtype=bool)
    found = {name: _ceiling(group(flights), late) for name, group in GROUPINGS.items()}
    return {name: each for name, each in found.items() if each}


def oracle(exams: Sequence[FoldData], frame: pd.DataFrame, names: Sequence[str]) -> Record:
    """The Booster alone, told the late share of all other flights of these groups.

    The shares may only raise the risk: within a group the share of the others is a little lower
    for a flight that is late itself, and the trees must not read that.
    """
    flights, late = Flights.from_columns(frame), frame["delayed"].to_numpy(dtype=bool)
    told = np.column_stack([_others(GROUPINGS[name](flights), late) for name in names])
    columns = tuple(Column(f"oracle_{name}", "oracle", monotone=True) for name in names)

    def tell(table: Table, rows: IndexArray) -> Table:
        return table.beside(columns, told[rows])

    told_exams = [
        replace(
            exam,
            training=exam.training.on(tell(exam.training.table, exam.fold.train)),
            scored={name: tell(table, exam.fold.test) for name, table in exam.scored.items()},
        )
        for exam in exams
    ]
    return _figures_of(Boosted(), told_exams, frame)


def told_of_all_others(frame: pd.DataFrame, protocol: str) -> Record:
    """The Booster of E1 or E2, its history made of every other flight, scored ones too."""
    lesson = prepare(frame, Level.TWO_SIDED_ROWS)
    everything = lesson_table(frame, lesson)
    found = [exam_of(everything, fold) for fold in PROTOCOLS[protocol](frame)]
    return _figures_of(Boosted(), found, frame)


def _figures_of(method: Method, exams: Sequence[FoldData], frame: pd.DataFrame) -> Record:
    """ROC AUC and log loss of each protocol, with seed 0."""
    late = frame["delayed"].to_numpy(dtype=bool)
    scores = [method.fit(exam.training, 0) for exam in exams]
    found: Record = {}
    rows = np.concatenate([exam.fold.test for exam in exams])
    constant = np.full(len(rows), late.mean())
    for protocol in exams[0].scored:
        parts = [score(exam.scored[protocol]) for score, exam in zip(scores, exams, strict=True)]
        each = figures(late[rows], np.concatenate(parts), constant, 0.5)
        found[protocol] = {name: each[name] for name in ("auc", "ap", "log_loss", "ece")}
    return found


def _others(group: npt.NDArray[np.object_], late: BoolArray) -> FloatArray:
    """Late share of the other flights of each flight's group, shrunken, shape ``(n,)``."""
    _, number = np.unique(group.astype(str), return_inverse=True)
    count = np.bincount(number)[number] - 1
    others = np.bincount(number, weights=late)[number] - late
    shares: FloatArray = (others + EVIDENCE * PRIOR) / (count + EVIDENCE)
    return shares


def _ceiling(group: npt.NDArray[np.object_], late: BoolArray) -> dict[str, float]:
    _, number = np.unique(group.astype(str), return_inverse=True)
    count = np.bincount(number).astype(float)
    some = count >= SMALLEST_GROUP
    if not some.any():
        return {}
    count, seen = count[some], np.bincount(number, weights=late)[some]
    mean = seen.sum() / count.sum()
    both_late = (seen * (seen - 1)).sum() / (count * (count - 1)).sum()
    most = mean * (1 - mean)
    variance = float(np.clip(both_late - mean**2, 1e-6 * most, 0.999 * most))
    auc, loss = _of_beta(mean, variance)
    return {
        "groups": int(some.sum()),
        "flights_per_group": float(count.mean()),
        "standard_deviation": float(np.sqrt(variance)),
        "auc": auc,
        "log_loss": loss,
    }


def _of_beta(mean: float, variance: float) -> tuple[float, float]:
    """ROC AUC and log loss of knowing rates that follow a beta distribution exactly."""
    strength = mean * (1 - mean) / variance - 1
    middles = (np.arange(GRID) + 0.5) / GRID
    rate = np.clip(beta.ppf(middles, mean * strength, (1 - mean) * strength), 1e-12, 1 - 1e-12)
    below = np.concatenate([[0.0], np.cumsum(1 - rate)[:-1]]) + (1 - rate) / 2
    auc = (rate * below).sum() / (rate.sum() * (1 - rate).sum())
    loss = -(rate * np.log(rate) + (1 - rate) * np.log1p(-rate)).mean()
    return float(auc), float(loss)
