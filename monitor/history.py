"""Fit the models that the past would have had, and score flights with them."""

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
from monitor import MonitorError
from monitor.weekly_flights import ScoredFlights, first_day, week_of

Progress = Callable[[str], object]


def silent(_step: str) -> None:
    """Ignore a progress message."""


@dataclass
class History:
    """Flights with outcomes in order of time, and the models fitted on them, which are cached.

    `config` applies to every fit, and `progress` is called before each with a message.
    """

    frame: pd.DataFrame
    config: TrainingConfig = field(default_factory=TrainingConfig)
    progress: Progress = silent

    def __post_init__(self) -> None:
        self.flights = Flights.from_columns(self.frame)
        self.day: IntArray = self.flights.day
        self.late: FloatArray = self.frame["delayed"].to_numpy(dtype=np.float64)
        self._fitted: dict[int, Scorer] = {}
        self._shadows: dict[int, tuple[IntArray, FloatArray]] = {}

    def model(self, before: int) -> Scorer:
        """Return the model fitted on all flights scheduled before a day."""
        if before not in self._fitted:
            self.progress(f"fit before {np.datetime64(before, 'D')}")
            self._fitted[before] = fit_schedule(self.frame[self.day < before], self.config)
        return self._fitted[before]

    def scored(self, scorer: Scorer, rows: IntArray) -> ScoredFlights:
        """Return some rows with the scores of a model."""
        flights = self.flights.pick(rows)
        probability = sigmoid(scorer.raw_scores(flights))
        return ScoredFlights.of(scorer.builder, flights, probability, self.late[rows], rows)

    def walk_forward(self, before: int) -> ScoredFlights:
        """Score each month before a day, from the fourth on, with a model of earlier months."""
        # rows are in order of time: those before a day come first
        parts = []
        for fold in walk_forward(self.frame[self.day < before]):
            day = int(np.datetime64(fold.name, "D").astype(np.int64))
            parts.append(self.scored(self.model(day), fold.test))
        if not parts:
            message = "the model's training flights span too few months for a walk-forward"
            raise MonitorError(message)
        return ScoredFlights.join(parts)

    def shadow(self, weeks: IntArray) -> tuple[IntArray, FloatArray]:
        """Return the rows of some weeks, with scores of a model refitted on each week's Monday."""
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


def fit_schedule(frame: pd.DataFrame, config: TrainingConfig) -> Scorer:
    """Fit a scorer on the schedule alone, the level of information that is monitored."""
    return fit_scorer(prepare(frame, Level.SCHEDULE, config.home), config)
