"""Scores flights: features, Booster, calibration, decision. Shared by training and serving."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from data.flights import Flights
from features.builder import FeatureBuilder
from model.booster import Booster
from model.calibration import Calibration, FloatArray, sigmoid
from model.decision import Decision


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
        Position of the risk in `model.decision.RISK_NAMES`, shape ``(n,)``.
    unknown
        For each flight, the names of those fields whose value training never saw.
    """

    probability: FloatArray
    delayed: npt.NDArray[np.bool_]
    band: npt.NDArray[np.int64]
    unknown: list[list[str]]


@dataclass(frozen=True, slots=True)
class Scorer:
    """The features of one level of information and the trees that read them."""

    builder: FeatureBuilder
    booster: Booster

    def raw_scores(self, flights: Flights) -> FloatArray:
        """Log-odds of each flight, shape ``(n,)``."""
        return self.booster.raw_scores(self.builder.transform(flights))


@dataclass(frozen=True)
class Predictor:
    """A fitted model, ready to score.

    Attributes
    ----------
    builder, booster
        What scores from the schedule alone.
    fresh
        What scores where the airport's state is told.
    calibration
        Of the schedule's scores.
    """

    builder: FeatureBuilder
    booster: Booster
    fresh: Scorer
    calibration: Calibration = field(default_factory=Calibration)
    decision: Decision = field(default_factory=Decision)

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
        """Probability of each flight, shape ``(n,)``; one call per Booster, whatever their number.

        Flights that know the state of the airport and flights that do not may stand side by side.
        """
        told = self.told(flights)
        if not told.any():
            return self._score_schedule(flights)
        probability = np.empty(len(flights))
        for rows, score in ((told, self._score_fresh), (~told, self._score_schedule)):
            if rows.any():
                probability[rows] = score(flights.pick(np.flatnonzero(rows)))
        return probability

    def told(self, flights: Flights) -> npt.NDArray[np.bool_]:
        """Whether each flight is scored with the airport's state, shape ``(n,)``."""
        if flights.airport is None:
            return np.zeros(len(flights), dtype=bool)
        return np.asarray(~np.isnan(flights.airport).all(axis=1))

    def probability(self, matrix: npt.NDArray[np.float64]) -> FloatArray:
        """Calibrated probability of each row of the schedule's features, shape ``(n,)``."""
        return self.calibration.apply(self.booster.raw_scores(matrix))

    def _score_schedule(self, flights: Flights) -> FloatArray:
        return self.probability(self.builder.transform(flights))

    def _score_fresh(self, flights: Flights) -> FloatArray:
        return sigmoid(self.fresh.raw_scores(flights))
