"""What a model would have said: walk-forward over the reference, and week by week as a shadow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from data.flights import Flights, IntArray
from features.builder import Level
from model.calibration import FloatArray, sigmoid
from model.evaluation import walk_forward
from model.predictor import Scorer
from model.training import Recipe, fit_booster, prepare
from monitor.weeks import Watched, first_day, week_of

Progress = Callable[[str], object]


def silent(_step: str) -> None:
    """Report progress to nobody."""


@dataclass
class History:
    """Flights with outcomes, and the models that could have been fitted on them at any time.

    Attributes
    ----------
    frame
        Typed frame, in order of time.
    recipe
        Of every fit.
    progress
        Told before every fit what is fitted.
    """

    frame: pd.DataFrame
    recipe: Recipe = field(default_factory=Recipe)
    progress: Progress = silent

    def __post_init__(self) -> None:
        self.flights = Flights.from_columns(self.frame)
        self.day: IntArray = self.flights.day
        self.late: FloatArray = self.frame["delayed"].to_numpy(dtype=np.float64)
        self._fitted: dict[int, Scorer] = {}

    def model(self, before: int) -> Scorer:
        """The model fitted on all flights scheduled before a day."""
        if before not in self._fitted:
            self.progress(f"fit before {np.datetime64(before, 'D')}")
            self._fitted[before] = _fit(self.frame[self.day < before], self.recipe)
        return self._fitted[before]

    def scored(self, scorer: Scorer, rows: IntArray) -> Watched:
        """Rows as a model scores them."""
        flights = self.flights.pick(rows)
        said = sigmoid(scorer.raw_scores(flights))
        return Watched.score(scorer, flights, self.late[rows], said)

    def walk_forward(self, before: int) -> Watched:
        """Score every month before a day but the first three by a model of earlier months (E3)."""
        # rows are in order of time: those before a day come first
        folds = walk_forward(self.frame[self.day < before])
        parts = [self.scored(self.model(_day(fold.name)), fold.test) for fold in folds]
        if not parts:
            message = "the model's training flights span too few months to walk through"
            raise ValueError(message)
        return Watched.join(parts)

    def shadow(self, weeks: IntArray) -> tuple[IntArray, FloatArray]:
        """Rows of some weeks, and the score that a refit on each week's Monday gives them."""
        rows, scores = [np.empty(0, np.int64)], [np.empty(0)]
        for week, these in self._rows_by_week(weeks):
            scorer = self.model(first_day(week))
            rows.append(these)
            scores.append(sigmoid(scorer.raw_scores(self.flights.pick(these))))
        return np.concatenate(rows), np.concatenate(scores)

    def _rows_by_week(self, weeks: IntArray) -> Iterator[tuple[int, IntArray]]:
        of_row = week_of(self.day)
        for week in weeks.tolist():
            rows = np.flatnonzero(of_row == week)
            if len(rows):
                yield week, rows


def _day(date: str) -> int:
    return int(np.datetime64(date, "D").astype(np.int64))


def _fit(frame: pd.DataFrame, recipe: Recipe) -> Scorer:
    """Fit what scores from the schedule alone: the level that is watched."""
    return fit_booster(prepare(frame, Level.SCHEDULE), recipe)
