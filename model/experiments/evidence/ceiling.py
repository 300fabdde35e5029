"""Compute upper bounds of any model, from groups of flights and from oracles.

An oracle has a feature that no model can have: the late share of all other flights of the day (or
airline and day, or hours and day) that it scores. Features that estimate this share cannot do
better.
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
from model.experiments.run.folds import FoldData, as_training, make_oracle_fold
from model.experiments.run.results import Record
from model.inference.calibration import FloatArray
from model.training.fit import prepare

EVIDENCE = 5.0
"""Weight of the yearly late share in an oracle's group, in flights: most groups are small."""
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
"""Functions from flights to the names of their groups; hours are slots of two."""


def repeated_flights(frame: pd.DataFrame) -> Record:
    """Return the best figures of a model that has the exact rate of every group and nothing else.

    Flights of one group have equal outcomes more often than flights of different groups. The
    number of pairs that were both late gives the variance of the groups' true rates without any
    model. ROC AUC and log loss follow for rates with a beta distribution of this variance. A
    group's true rate includes later flights, so this is an upper bound, not a target. Large groups
    have the most pairs and so the most weight.
    """
    flights = Flights.from_columns(frame)
    late = frame["delayed"].to_numpy(dtype=bool)
    found = {name: _ceiling(group(flights), late) for name, group in GROUPINGS.items()}
    return {name: each for name, each in found.items() if each}


def oracle(folds: Sequence[FoldData], frame: pd.DataFrame, names: Sequence[str]) -> Record:
    """Return the figures of the Booster with the late share of all other flights of these groups.

    The shares may only raise the risk: within a group the share of the others is slightly lower
    for a late flight, and the trees must not use that.
    """
    flights, late = Flights.from_columns(frame), frame["delayed"].to_numpy(dtype=bool)
    shares = np.column_stack([_others(GROUPINGS[name](flights), late) for name in names])
    columns = tuple(Column(f"oracle_{name}", "oracle", monotone=True) for name in names)

    def widen(table: Table, rows: IndexArray) -> Table:
        return table.beside(columns, shares[rows])

    oracle_folds = [
        replace(
            fold,
            training=fold.training.on(widen(fold.training.table, fold.rows.train)),
            scored={name: widen(table, fold.rows.test) for name, table in fold.scored.items()},
        )
        for fold in folds
    ]
    return _figures_of(Boosted(), oracle_folds, frame)


def two_sided_oracle(frame: pd.DataFrame, protocol: str) -> Record:
    """Return the figures of the Booster with a history of all other flights, scored ones too.

    It is for the random split (E1) and the split by day (E2).
    """
    training_set = prepare(frame, Level.TWO_SIDED_ROWS)
    everything = as_training(frame, training_set)
    found = [make_oracle_fold(everything, fold) for fold in PROTOCOLS[protocol](frame)]
    return _figures_of(Boosted(), found, frame)


def _figures_of(method: Method, folds: Sequence[FoldData], frame: pd.DataFrame) -> Record:
    """Return AUC, average precision, log loss and calibration error by protocol, with seed 0."""
    late = frame["delayed"].to_numpy(dtype=bool)
    scores = [method.fit(fold.training, 0) for fold in folds]
    found: Record = {}
    rows = np.concatenate([fold.rows.test for fold in folds])
    constant = np.full(len(rows), late.mean())
    for protocol in folds[0].scored:
        parts = [score(fold.scored[protocol]) for score, fold in zip(scores, folds, strict=True)]
        each = figures(late[rows], np.concatenate(parts), constant, 0.5)
        found[protocol] = {name: each[name] for name in ("auc", "ap", "log_loss", "ece")}
    return found


def _others(group: npt.NDArray[np.object_], late: BoolArray) -> FloatArray:
    """Return the shrunken late share of the other flights of each flight's group, ``(n,)``."""
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
    """Return ROC AUC and log loss if the rates are known and have a beta distribution."""
    strength = mean * (1 - mean) / variance - 1
    middles = (np.arange(GRID) + 0.5) / GRID
    rate = np.clip(beta.ppf(middles, mean * strength, (1 - mean) * strength), 1e-12, 1 - 1e-12)
    below = np.concatenate([[0.0], np.cumsum(1 - rate)[:-1]]) + (1 - rate) / 2
    auc = (rate * below).sum() / (rate.sum() * (1 - rate).sum())
    loss = -(rate * np.log(rate) + (1 - rate) * np.log1p(-rate)).mean()
    return float(auc), float(loss)
