"""Scores flights: level of information, calibration, decision. Shared by training and serving."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from data.flights import Flights
from features.builder import FeatureBuilder
from model.inference.booster import Booster
from model.inference.calibration import Calibration, FloatArray, sigmoid
from model.inference.decision import Decision
from model.inference.scorer import Scorer

FRESH_DAYS = 4
"""Days, from the end of the tables on, that are scored by the level that knows fresh outcomes;
later ones lean on the schedule's. Measured in docs/decisions/0009-refresh.md."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What the model says about `n` flights, in their order.

    Attributes
    ----------
    probability
        Of leaving more than 15 minutes late, shape ``(n,)``.
    delayed
        Whether the probability reaches the published threshold, shape ``(n,)``.
    band
        Position of the risk in `model.inference.decision.RISK_NAMES`, shape ``(n,)``.
    unknown
        For each flight, the names of those fields whose value training never saw.
    """

    probability: FloatArray
    delayed: npt.NDArray[np.bool_]
    band: npt.NDArray[np.int64]
    unknown: list[list[str]]


@dataclass(frozen=True)
class Predictor:
    """A fitted model, ready to score.

    Attributes
    ----------
    schedule
        What scores from the schedule alone.
    fresh
        What scores where fresh outcomes are known: where the airport's state is told, or in the
        `FRESH_DAYS` after the end of its tables.
    calibration
        Of the schedule's scores.
    """

    schedule: Scorer
    fresh: Scorer
    calibration: Calibration = field(default_factory=Calibration)
    decision: Decision = field(default_factory=Decision)

    @property
    def builder(self) -> FeatureBuilder:
        """Features of the schedule level; codes and home airport are those of both."""
        return self.schedule.builder

    @property
    def booster(self) -> Booster:
        """Trees of the schedule level."""
        return self.schedule.booster

    def compile(self) -> None:
        """Make what scores many flights at once faster: see `Booster.compile`."""
        self.schedule.booster.compile()
        self.fresh.booster.compile()

    def predict(self, flights: Flights) -> Scores:
        """Score flights with all that is said about them."""
        probability = self.score(flights)
        return Scores(
            probability=probability,
            delayed=self.decision.delayed(probability),
            band=self.decision.band(probability),
            unknown=self.builder.unknown(flights),
        )

    def score(self, flights: Flights) -> FloatArray:
        """Probability of each flight, shape ``(n,)``; one call per level, whatever their number.

        Flights of which fresh outcomes are known and others may stand side by side.
        """
        fresh = self.knows_fresh(flights)
        if not fresh.any():
            return self._score_schedule(flights)
        probability = np.empty(len(flights))
        for rows, score in ((fresh, self._score_fresh), (~fresh, self._score_schedule)):
            if rows.any():
                probability[rows] = score(flights.pick(np.flatnonzero(rows)))
        return probability

    def knows_fresh(self, flights: Flights) -> npt.NDArray[np.bool_]:
        """Whether each flight is scored with fresh outcomes, shape ``(n,)``."""
        age = flights.day - self.fresh.builder.as_of
        fresh: npt.NDArray[np.bool_] = (age >= 0) & (age < FRESH_DAYS)
        if flights.airport is not None:
            fresh |= ~np.isnan(flights.airport).all(axis=1)
        return fresh

    def probability(self, matrix: npt.NDArray[np.float64]) -> FloatArray:
        """Calibrated probability of each row of the schedule's features, shape ``(n,)``."""
        return self.calibration.apply(self.schedule.margins(matrix))

    def _score_schedule(self, flights: Flights) -> FloatArray:
        return self.probability(self.builder.transform(flights))

    def _score_fresh(self, flights: Flights) -> FloatArray:
        return sigmoid(self.fresh.raw_scores(flights))
