"""Scores flights: features, Booster, calibration, decision. Shared by training and serving."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from data.flights import Flights
from features.builder import FeatureBuilder
from model.booster import Booster
from model.calibration import Calibration, FloatArray
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


@dataclass(frozen=True)
class Predictor:
    """A fitted model, ready to score."""

    builder: FeatureBuilder
    booster: Booster
    calibration: Calibration = field(default_factory=Calibration)
    decision: Decision = field(default_factory=Decision)

    def predict(self, flights: Flights) -> Scores:
        """Score flights; one feature pass and one call of the Booster, whatever their number."""
        probability = self.probability(self.builder.transform(flights))
        return Scores(
            probability=probability,
            delayed=self.decision.delayed(probability),
            band=self.decision.band(probability),
            unknown=self.builder.unknown(flights),
        )

    def probability(self, matrix: npt.NDArray[np.float64]) -> FloatArray:
        """Calibrated probability of each row of a feature matrix, shape ``(n,)``."""
        return self.calibration.apply(self.booster.raw_scores(matrix))
