"""Would more data help? The Booster alone on a part of the flights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd

from model.errors import TooFewFlights
from model.evaluation.metrics import figures
from model.evaluation.protocols import PROTOCOLS, Fold, IndexArray
from model.experiments.methods.boosted import Boosted
from model.experiments.run.folds import exam_on
from model.experiments.run.results import Record

SHARES = (0.1, 0.2, 0.4, 0.7, 1.0)
MONTHS = (1, 2, 3, 4, 6, 8, 11)
SCORED_MONTHS = 3
"""Last months of the year, the only ones with enough months before them to leave some out."""
SCORED_FOLDS = 2

Take = Callable[[Fold], IndexArray]


def by_share(frame: pd.DataFrame, protocol: str) -> Record:
    """E1 on a share of its flights, or E2 on a share of its days, history included."""
    folds = list(PROTOCOLS[protocol](frame))[:SCORED_FOLDS]
    day = frame["scheduled_departure"].to_numpy().astype("datetime64[D]").astype(np.int64)
    whole = day if protocol == "E2" else np.arange(len(frame))
    order = np.random.default_rng(0).permutation(int(whole.max()) + 1) / (whole.max() + 1)

    def first(share: float) -> Take:
        return lambda fold: fold.train[order[whole[fold.train]] <= share]

    return _curve(frame, folds, [(share, first(share)) for share in SHARES])


def by_months(frame: pd.DataFrame) -> Record:
    """E3 on the last months before each of the year's last three, history included."""
    folds = list(PROTOCOLS["E3.schedule"](frame))[-SCORED_MONTHS:]
    month = frame["scheduled_departure"].to_numpy().astype("datetime64[M]").astype(np.int64)

    def last(count: int) -> Take:
        return lambda fold: fold.train[month[fold.train] >= month[fold.test[0]] - count]

    return _curve(frame, folds, [(count, last(count)) for count in MONTHS])


def _curve(
    frame: pd.DataFrame, folds: Sequence[Fold], points: Iterable[tuple[float, Take]]
) -> Record:
    """Figures at each point; a point with too few flights to learn from is left out."""
    found = []
    for point, take in points:
        parts = [Fold(fold.protocol, fold.name, take(fold), fold.test) for fold in folds]
        try:
            found.append({"at": point, **_judge(frame, parts)})
        except TooFewFlights:
            continue
    return {"points": found}


def _judge(frame: pd.DataFrame, folds: Sequence[Fold]) -> Record:
    late = frame["delayed"].to_numpy(dtype=bool)
    said = []
    for fold in folds:
        exam = exam_on(frame, fold)
        said.append(Boosted().fit(exam.training, 0)(exam.scored[fold.protocol]))
    rows = np.concatenate([fold.test for fold in folds])
    each = figures(late[rows], np.concatenate(said), np.full(len(rows), late.mean()), 0.5)
    learned = float(np.mean([len(fold.train) for fold in folds]))
    return {"flights": learned, **{name: each[name] for name in ("auc", "ap", "log_loss")}}
