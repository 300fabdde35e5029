"""The evaluation protocol: E1 random rows, E2 held-out days, E3 walk-forward by month."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.model_selection import GroupKFold, train_test_split
from sklearn.utils import shuffle

from data.flights import Flights
from model.calibration import FloatArray
from model.errors import TooFewFlights
from model.metrics import FIGURES, BoolArray, figures, flight_log_loss
from model.training import MINIMUM_FLIGHTS, Recipe, fit

IndexArray = npt.NDArray[np.int64]

WARM_UP_MONTHS = 3
"""Months that E3 trains on before it scores its first one."""
E2_FOLDS = 5


@dataclass(frozen=True, slots=True)
class Fold:
    """Rows to fit on and rows to score, as positions in the frame."""

    protocol: str
    name: str
    train: IndexArray
    test: IndexArray


@dataclass(frozen=True, slots=True)
class Scored:
    """The scored flights of one protocol, pooled over its folds, each array of shape ``(n,)``."""

    row: IndexArray
    late: BoolArray
    probability: FloatArray
    constant: FloatArray


Progress = Callable[[Fold], object]


def random_rows(frame: pd.DataFrame) -> Iterator[Fold]:
    """E1: rows in file order, shuffled and split as in the original notebook."""
    in_file_order = np.argsort(frame["file_row"].to_numpy(), kind="stable")
    shuffled = shuffle(in_file_order, random_state=111)
    train, test = train_test_split(shuffled, test_size=0.33, random_state=42)
    yield Fold("E1", "random rows", np.sort(train), np.sort(test))


def held_out_days(frame: pd.DataFrame) -> Iterator[Fold]:
    """E2: five folds of whole calendar days."""
    day = frame["scheduled_departure"].to_numpy().astype("datetime64[D]")
    if len(np.unique(day)) < E2_FOLDS:
        message = f"flights of fewer than {E2_FOLDS} days cannot be evaluated by held-out days"
        raise TooFewFlights(message)
    folds = GroupKFold(n_splits=E2_FOLDS).split(day, groups=day)
    for number, (train, test) in enumerate(folds, start=1):
        yield Fold("E2", f"days, fold {number}", train, test)


def walk_forward(frame: pd.DataFrame) -> Iterator[Fold]:
    """E3: each month after the first three, from all months before it."""
    month = frame["scheduled_departure"].to_numpy().astype("datetime64[M]")
    for scored in np.unique(month)[WARM_UP_MONTHS:]:
        train, test = np.flatnonzero(month < scored), np.flatnonzero(month == scored)
        if len(train) >= MINIMUM_FLIGHTS:
            yield Fold("E3.schedule", str(scored), train, test)


PROTOCOLS: dict[str, Callable[[pd.DataFrame], Iterator[Fold]]] = {
    "E1": random_rows,
    "E2": held_out_days,
    "E3.schedule": walk_forward,
}


def evaluate(
    frame: pd.DataFrame,
    recipe: Recipe,
    seeds: Sequence[int],
    progress: Progress = lambda _fold: None,
) -> tuple[dict[str, Any], dict[str, Scored]]:
    """Run the whole protocol.

    Returns
    -------
    The figures of each protocol, averaged over the seeds with their spread (standard deviation),
    and the scored flights of the first seed.
    """
    report: dict[str, Any] = {}
    scored: dict[str, Scored] = {}
    for protocol, folds_of in PROTOCOLS.items():
        folds = list(folds_of(frame))
        if not folds:
            continue
        runs = [_run(frame, folds, recipe, seed, progress) for seed in seeds]
        scored[protocol] = runs[0]
        report[protocol] = _summary(runs, seeds, recipe.decision.threshold)
        if protocol.startswith("E3"):
            report[protocol] |= _over_time(frame, runs[0], recipe.decision.threshold)
    return report, scored


def fold_count(frame: pd.DataFrame) -> int:
    """How many fits one seed takes."""
    return sum(len(list(folds_of(frame))) for folds_of in PROTOCOLS.values())


def _run(
    frame: pd.DataFrame, folds: Sequence[Fold], recipe: Recipe, seed: int, progress: Progress
) -> Scored:
    parts = []
    for fold in folds:
        train, test = frame.iloc[fold.train], frame.iloc[fold.test]
        predictor = fit(train, Recipe(seed, recipe.parameters, recipe.rounds, recipe.decision))
        probability = predictor.predict(Flights.from_columns(test)).probability
        constant = np.full(len(test), train["delayed"].mean())
        parts.append((fold.test, probability, constant))
        progress(fold)
    rows = np.concatenate([part[0] for part in parts])
    return Scored(
        row=rows,
        late=frame["delayed"].to_numpy(dtype=bool)[rows],
        probability=np.concatenate([part[1] for part in parts]),
        constant=np.concatenate([part[2] for part in parts]),
    )


def _summary(runs: Sequence[Scored], seeds: Sequence[int], threshold: float) -> dict[str, Any]:
    per_seed = [figures(run.late, run.probability, run.constant, threshold) for run in runs]
    table = {name: np.array([each[name] for each in per_seed]) for name in FIGURES}
    return {
        **{name: float(values.mean()) for name, values in table.items()},
        "n": len(runs[0].row),
        "seeds": list(seeds),
        "spread": {name: float(values.std()) for name, values in table.items()},
    }


def _over_time(frame: pd.DataFrame, run: Scored, threshold: float) -> dict[str, Any]:
    """The figures of each month, and each day's flights and summed log loss (first seed)."""
    departure = frame["scheduled_departure"].to_numpy()[run.row]
    month, day = departure.astype("datetime64[M]"), departure.astype("datetime64[D]")
    by_month = {}
    for each in np.unique(month):
        rows = month == each
        by_month[str(each)] = {
            **figures(run.late[rows], run.probability[rows], run.constant[rows], threshold),
            "late_share": float(run.late[rows].mean()),
            "n": int(rows.sum()),
        }
    days, position = np.unique(day, return_inverse=True)
    loss = np.bincount(position, weights=flight_log_loss(run.late, run.probability))
    count = np.bincount(position)
    by_day = {
        str(d): [int(n), round(float(x), 6)] for d, n, x in zip(days, count, loss, strict=True)
    }
    return {"by_month": by_month, "by_day": by_day}
