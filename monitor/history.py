"""What a model would have said: walk-forward over the reference, and week by week as a shadow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from data.flights import Flights, IntArray
from features.builder import Level
from model.evaluation.protocols import walk_forward
from model.inference.calibration import FloatArray, sigmoid
from model.inference.scorer import Scorer
from model.training.fit import TrainingConfig, fit_scorer, prepare
from monitor.errors import MonitorError
from monitor.weekly_flights import Watched, first_day, week_of

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
    recipe: TrainingConfig = field(default_factory=TrainingConfig)
    progress: Progress = silent

    def __post_init__(self) -> None:
        self.flights = Flights.from_columns(self.frame)
        self.day: IntArray = self.flights.day
        self.late: FloatArray = self.frame["delayed"].to_numpy(dtype=np.float64)
        self._fitted: dict[int, Scorer] = {}
        self._shadows: dict[int, tuple[IntArray, FloatArray]] = {}

    def model(self, before: int) -> Scorer:
        """The model fitted on all flights scheduled before a day."""
        if before not in self._fitted:
            self.progress(f"fit before {np.datetime64(before, 'D')}")
            self._fitted[before] = fit_schedule(self.frame[self.day < before], self.recipe)
        return self._fitted[before]

    def scored(self, scorer: Scorer, rows: IntArray) -> Watched:
        """Rows as a model scores them."""
        flights = self.flights.pick(rows)
        said = sigmoid(scorer.raw_scores(flights))
        return Watched.of(scorer.builder, flights, said, self.late[rows], rows)

    def walk_forward(self, before: int) -> Watched:
        """Score every month before a day but the first three by a model of earlier months (E3)."""
        # rows are in order of time: those before a day come first
        folds = walk_forward(self.frame[self.day < before])
        parts = [self.scored(self.model(_day(fold.name)), fold.test) for fold in folds]
        if not parts:
            message = "the model's training flights span too few months to walk through"
            raise MonitorError(message)
        return Watched.join(parts)

    def shadow(self, weeks: IntArray) -> tuple[IntArray, FloatArray]:
        """Rows of some weeks, and the score that a refit on each week's Monday gives them."""
        parts = [self._shadow(week) for week in weeks.tolist()]
        if not parts:
            return np.empty(0, np.int64), np.empty(0)
        rows, scores = zip(*parts, strict=True)
        return np.concatenate(rows), np.concatenate(scores)

    def _shadow(self, week: int) -> tuple[IntArray, FloatArray]:
        if week not in self._shadows:
            rows = np.flatnonzero(week_of(self.day) == week)
            scorer = self.model(first_day(week))
            self._shadows[week] = rows, sigmoid(scorer.raw_scores(self.flights.pick(rows)))
        return self._shadows[week]


def _day(date: str) -> int:
    return int(np.datetime64(date, "D").astype(np.int64))


def fit_schedule(frame: pd.DataFrame, recipe: TrainingConfig) -> Scorer:
    """Fit what scores from the schedule alone: the level that is watched."""
    return fit_scorer(prepare(frame, Level.SCHEDULE, recipe.home), recipe)
