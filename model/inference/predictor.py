"""Score flights: level of information, calibration, decision. Shared by training and serving."""

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
"""Days after the end of the tables that the fresh level scores; the schedule level scores all
others. Measured in docs/decisions/0009-refresh.md."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of `n` flights, in their order.

    Attributes
    ----------
    probability
        Probability of leaving more than 15 minutes late, shape ``(n,)``.
    delayed
        Whether the probability reaches the published threshold, shape ``(n,)``.
    band
        Position of the risk in `model.inference.decision.RISK_NAMES`, shape ``(n,)``.
    unknown
        For each flight, the names of the fields whose value training never saw.
    """

    probability: FloatArray
    delayed: npt.NDArray[np.bool_]
    band: npt.NDArray[np.int64]
    unknown: list[list[str]]


@dataclass(frozen=True)
class Predictor:
    """Fitted model that scores flights.

    Attributes
    ----------
    schedule
        Scores from the schedule alone.
    fresh
        Scores flights for which fresh outcomes are known: those with a state of the airport, and
        those of the `FRESH_DAYS` after the end of its tables.
    calibration
        Calibration of the scores of the schedule level.
    """

    schedule: Scorer
    fresh: Scorer
    calibration: Calibration = field(default_factory=Calibration)
    decision: Decision = field(default_factory=Decision)

    @property
    def builder(self) -> FeatureBuilder:
        """Return the features of the schedule level; both levels have its codes and airport."""
        return self.schedule.builder

    @property
    def booster(self) -> Booster:
        """Return the trees of the schedule level."""
        return self.schedule.booster

    def compile(self) -> None:
        """Build the look-up tables of both Boosters: see `Booster.compile`."""
        self.schedule.booster.compile()
        self.fresh.booster.compile()

    def predict(self, flights: Flights) -> Scores:
        """Return probability, decision, band and unknown fields of flights."""
        probability = self.score(flights)
        return Scores(
            probability=probability,
            delayed=self.decision.delayed(probability),
            band=self.decision.band(probability),
            unknown=self.builder.unknown(flights),
        )

    def score(self, flights: Flights) -> FloatArray:
        """Return the probability of each flight, shape ``(n,)``.

        Each level scores its flights of the batch in one call.
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
        """Return whether the fresh level scores each flight, shape ``(n,)``."""
        age = flights.day - self.fresh.builder.as_of
        fresh: npt.NDArray[np.bool_] = (age >= 0) & (age < FRESH_DAYS)
        if flights.airport is not None:
            fresh |= ~np.isnan(flights.airport).all(axis=1)
        return fresh

    def probability(self, matrix: npt.NDArray[np.float64]) -> FloatArray:
        """Return the calibrated probability of each row of the schedule features, ``(n,)``."""
        return self.calibration.apply(self.schedule.margins(matrix))

    def _score_schedule(self, flights: Flights) -> FloatArray:
        return self.probability(self.builder.transform(flights))

    def _score_fresh(self, flights: Flights) -> FloatArray:
        return sigmoid(self.fresh.raw_scores(flights))
