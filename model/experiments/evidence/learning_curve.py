"""Learning curves: the Booster alone, trained on a part of the flights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd

from model.errors import TooFewFlights
from model.evaluation.metrics import figures
from model.evaluation.protocols import PROTOCOLS, Fold, IndexArray
from model.experiments.methods.boosted import Boosted
from model.experiments.run.folds import make_fold
from model.experiments.run.results import Record

SHARES = (0.1, 0.2, 0.4, 0.7, 1.0)
MONTHS = (1, 2, 3, 4, 6, 8, 11)
SCORED_MONTHS = 3
"""Number of scored months, the last of the year: only they have enough months before them."""
SCORED_FOLDS = 2

Take = Callable[[Fold], IndexArray]


def by_share(frame: pd.DataFrame, protocol: str) -> Record:
    """Train on a share of the flights (E1) or of the days (E2), history included."""
    folds = list(PROTOCOLS[protocol](frame))[:SCORED_FOLDS]
    day = frame["scheduled_departure"].to_numpy().astype("datetime64[D]").astype(np.int64)
    whole = day if protocol == "E2" else np.arange(len(frame))
    order = np.random.default_rng(0).permutation(int(whole.max()) + 1) / (whole.max() + 1)

    def first(share: float) -> Take:
        return lambda fold: fold.train[order[whole[fold.train]] <= share]

    return _curve(frame, folds, [(share, first(share)) for share in SHARES])


def by_months(frame: pd.DataFrame) -> Record:
    """Train on the last months before each of the year's last three (E3), history included."""
    folds = list(PROTOCOLS["E3.schedule"](frame))[-SCORED_MONTHS:]
    month = frame["scheduled_departure"].to_numpy().astype("datetime64[M]").astype(np.int64)

    def last(count: int) -> Take:
        return lambda fold: fold.train[month[fold.train] >= month[fold.test[0]] - count]

    return _curve(frame, folds, [(count, last(count)) for count in MONTHS])


def _curve(
    frame: pd.DataFrame, folds: Sequence[Fold], points: Iterable[tuple[float, Take]]
) -> Record:
    """Return the figures at each point; points with too few training flights are left out."""
    found = []
    for point, take in points:
        parts = [Fold(fold.protocol, fold.name, take(fold), fold.test) for fold in folds]
        try:
            found.append({"at": point, **_figures(frame, parts)})
        except TooFewFlights:
            continue
    return {"points": found}


def _figures(frame: pd.DataFrame, folds: Sequence[Fold]) -> Record:
    late = frame["delayed"].to_numpy(dtype=bool)
    parts = []
    for fold in folds:
        data = make_fold(frame, fold)
        parts.append(Boosted().fit(data.training, 0)(data.scored[fold.protocol]))
    rows = np.concatenate([fold.test for fold in folds])
    each = figures(late[rows], np.concatenate(parts), np.full(len(rows), late.mean()), 0.5)
    learned = float(np.mean([len(fold.train) for fold in folds]))
    return {"flights": learned, **{name: each[name] for name in ("auc", "ap", "log_loss")}}
