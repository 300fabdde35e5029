"""Run the evaluation protocol: random split (E1), split by day (E2), walk-forward (E3).

The random split and the split by day score flights that lie *between* flights of the training
set: outcomes of the days on both sides (in E1 also of other flights of the same day) are known, so
the features use a two-sided history, without the flight's own outcome and, in E2, without its
whole day. Both splits therefore overestimate a model that predicts the future. Walk-forward
predicts the future. Its features use outcomes of earlier months (`schedule`), of the days before
(`daily`), and the state of the airport an hour before departure (`live`); see
docs/decisions/0005-history.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.model_selection import GroupKFold, train_test_split
from sklearn.utils import shuffle

from data.flights import Flights, Outcomes
from features.airport import airport_states
from features.builder import FeatureBuilder, Level
from model.errors import TooFewFlights
from model.evaluation.metrics import FIGURES, BoolArray, figures, flight_log_loss
from model.inference.calibration import FloatArray, sigmoid
from model.inference.scorer import Scorer
from model.training.fit import (
    LEAD_MINUTES,
    MINIMUM_FLIGHTS,
    TrainingConfig,
    fit_booster,
    fit_regression,
    prepare,
)

IndexArray = npt.NDArray[np.int64]

WARM_UP_MONTHS = 3
"""Months that walk-forward (E3) trains on before it scores its first month."""
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
    """Scored flights of one protocol, pooled over its folds, each array of shape ``(n,)``."""

    row: IndexArray
    late: BoolArray
    probability: FloatArray
    constant: FloatArray


Progress = Callable[[Fold], object]
Fitted = dict[tuple[Level, str], list[Scorer]]
"""Fitted scorers, one for each seed, by level and name of the fold."""


def random_split(frame: pd.DataFrame) -> Iterator[Fold]:
    """Yield the random split (E1): file order, shuffled and split as in the original notebook."""
    in_file_order = np.argsort(frame["file_row"].to_numpy(), kind="stable")
    shuffled = shuffle(in_file_order, random_state=111)
    train, test = train_test_split(shuffled, test_size=0.33, random_state=42)
    yield Fold("E1", "random rows", np.sort(train), np.sort(test))


def split_by_day(frame: pd.DataFrame) -> Iterator[Fold]:
    """Yield the split by day (E2): five folds of whole calendar days."""
    day = frame["scheduled_departure"].to_numpy().astype("datetime64[D]")
    if len(np.unique(day)) < E2_FOLDS:
        message = f"a split by day needs flights of at least {E2_FOLDS} days"
        raise TooFewFlights(message)
    folds = GroupKFold(n_splits=E2_FOLDS).split(day, groups=day)
    for number, (train, test) in enumerate(folds, start=1):
        yield Fold("E2", f"days, fold {number}", train, test)


def walk_forward(frame: pd.DataFrame, protocol: str = "E3.schedule") -> Iterator[Fold]:
    """Yield the walk-forward folds (E3): each month after the third, fitted on all before it."""
    month = frame["scheduled_departure"].to_numpy().astype("datetime64[M]")
    for scored in np.unique(month)[WARM_UP_MONTHS:]:
        train, test = np.flatnonzero(month < scored), np.flatnonzero(month == scored)
        if len(train) >= MINIMUM_FLIGHTS:
            yield Fold(protocol, str(scored), train, test)


FoldsOf = Callable[[pd.DataFrame], Iterator[Fold]]

PROTOCOLS: dict[str, FoldsOf] = {
    "E1": random_split,
    "E2": split_by_day,
    "E3.schedule": walk_forward,
    "E3.daily": partial(walk_forward, protocol="E3.daily"),
    "E3.live": partial(walk_forward, protocol="E3.live"),
}
LEVELS = {
    "E1": Level.TWO_SIDED_ROWS,
    "E2": Level.TWO_SIDED_DAYS,
    "E3.schedule": Level.SCHEDULE,
    "E3.daily": Level.FRESH,
    "E3.live": Level.FRESH,
}
"""Level of information about the scored flights of each protocol."""


def evaluate(
    frame: pd.DataFrame,
    config: TrainingConfig,
    seeds: Sequence[int],
    progress: Progress = lambda _fold: None,
    protocols: Mapping[str, FoldsOf] = PROTOCOLS,
) -> tuple[dict[str, Any], dict[str, Scored]]:
    """Run all protocols, or the given ones.

    Returns
    -------
    The figures of each protocol, averaged over the seeds with their spread (standard deviation),
    and the scored flights of the first seed.
    """
    report: dict[str, Any] = {}
    scored: dict[str, Scored] = {}
    fitted: Fitted = {}
    for protocol, folds_of in protocols.items():
        folds = list(folds_of(frame))
        if not folds:
            continue
        runs = _run(frame, folds, config, seeds, progress, fitted)
        scored[protocol] = runs[0]
        report[protocol] = _summary(runs, seeds, config.decision.threshold)
        if protocol.startswith("E3"):
            report[protocol] |= _over_time(frame, runs[0], config.decision.threshold)
    return report, scored


def fold_count(frame: pd.DataFrame) -> int:
    """Return the number of fits per seed; protocols with equal level and folds share them."""
    return len({_fit_of(fold) for folds_of in PROTOCOLS.values() for fold in folds_of(frame)})


def _run(
    frame: pd.DataFrame,
    folds: Sequence[Fold],
    config: TrainingConfig,
    seeds: Sequence[int],
    progress: Progress,
    fitted: Fitted | None = None,
) -> list[Scored]:
    """Score the folds once for each seed; features are computed once for all seeds.

    Parameters
    ----------
    fitted
        Scorers fitted so far, reused by protocols with the same level and folds.
    """
    fitted = {} if fitted is None else fitted
    probability = np.full((len(seeds), len(frame)), np.nan)
    constant = np.empty(len(frame))
    for fold in folds:
        fit = _fit_of(fold)
        if fit not in fitted:
            fitted[fit] = _scorers(frame, fold, config, seeds, progress)
        matrix = scored_matrix(frame, fold, fitted[fit][0].builder)
        constant[fold.test] = frame["delayed"].iloc[fold.train].mean()
        for run, scorer in zip(probability, fitted[fit], strict=True):
            run[fold.test] = sigmoid(scorer.margins(matrix))
    rows = np.concatenate([fold.test for fold in folds])
    late = frame["delayed"].to_numpy(dtype=bool)[rows]
    return [Scored(rows, late, run[rows], constant[rows]) for run in probability]


def _fit_of(fold: Fold) -> tuple[Level, str]:
    """Return the key of the fit that a fold needs."""
    return LEVELS[fold.protocol], fold.name


def _scorers(
    frame: pd.DataFrame,
    fold: Fold,
    config: TrainingConfig,
    seeds: Sequence[int],
    progress: Progress,
) -> list[Scorer]:
    """Fit a fold once for each seed; the logistic regression does not depend on the seed."""
    training_set = prepare(frame.iloc[fold.train], LEVELS[fold.protocol], config.home)
    regression, scorers = fit_regression(training_set), []
    for seed in seeds:
        booster = fit_booster(training_set, replace(config, seed=seed))
        scorers.append(Scorer(training_set.builder, booster, regression))
        progress(fold)
    return scorers


def scored_matrix(frame: pd.DataFrame, fold: Fold, builder: FeatureBuilder) -> FloatArray:
    """Return the features of the scored flights at the level of the protocol."""
    flights = Flights.from_columns(frame.iloc[fold.test])
    if LEVELS[fold.protocol] is not Level.FRESH:
        return builder.transform(flights)
    known = frame.iloc[: fold.test.max() + 1]
    outcomes = Outcomes.from_columns(known)
    if fold.protocol == "E3.live":
        flights = flights.seen(airport_states(outcomes, flights.departure - LEAD_MINUTES))
    return builder.refreshed(known, outcomes).point_in_time(flights, flights.day)


def _summary(runs: Sequence[Scored], seeds: Sequence[int], threshold: float) -> dict[str, Any]:
    per_seed = [figures(run.late, run.probability, run.constant, threshold) for run in runs]
    ranked = [name for name in FIGURES if per_seed[0][name] is not None]
    table = {name: np.array([each[name] for each in per_seed], dtype=float) for name in ranked}
    return {
        **dict.fromkeys(FIGURES),
        **{name: float(values.mean()) for name, values in table.items()},
        "n": len(runs[0].row),
        "seeds": list(seeds),
        "spread": {name: float(values.std()) for name, values in table.items()},
    }


def _over_time(frame: pd.DataFrame, run: Scored, threshold: float) -> dict[str, Any]:
    """Return the figures of each month, and flights and summed log loss of each day."""
    departure = frame["scheduled_departure"].to_numpy()[run.row]
    month, day = departure.astype("datetime64[M]"), departure.astype("datetime64[D]")
    by_month = {}
    for each in np.unique(month):
        rows = month == each
        by_month[str(each)] = {
            **figures(run.late[rows], run.probability[rows], run.constant[rows], threshold),
            "late_share": float(run.late[rows].mean()),
            "mean_probability": float(run.probability[rows].mean()),
            "n": int(rows.sum()),
        }
    days, position = np.unique(day, return_inverse=True)
    loss = np.bincount(position, weights=flight_log_loss(run.late, run.probability))
    count = np.bincount(position)
    by_day = {
        str(d): [int(n), round(float(x), 6)] for d, n, x in zip(days, count, loss, strict=True)
    }
    return {"by_month": by_month, "by_day": by_day}
