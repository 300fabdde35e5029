"""Turn log-odds (margins) into calibrated probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

PRIOR_STRENGTH = 200.0
"""Weight of the prior "no calibration", in flights."""


def sigmoid(margin: FloatArray) -> FloatArray:
    """Return the logistic function of each margin, without overflow; shape as given."""
    return 0.5 * (1.0 + np.tanh(0.5 * margin))


@dataclass(frozen=True, slots=True)
class Calibration:
    """Platt scaling: ``probability = sigmoid(slope * margin + intercept)``.

    The order of flights does not change, so ranking metrics (ROC AUC) stay the same.

    References
    ----------
    J. Platt, "Probabilistic outputs for support vector machines and comparisons to regularized
    likelihood methods", 1999.
    """

    slope: float = 1.0
    intercept: float = 0.0

    @classmethod
    def fit(cls, margin: FloatArray, delayed: npt.NDArray[np.bool_]) -> Self:
        """Fit slope and intercept by penalised maximum likelihood.

        A Gaussian prior shrinks them to (1, 0), which changes nothing: margins of a model trained
        on log loss are nearly calibrated, and few flights are weak evidence against that. Newton's
        method takes about five steps, because the function of two numbers is convex.

        Parameters
        ----------
        margin, delayed
            Log-odds and outcomes of flights on which the model was not fitted, shape ``(n,)``.
        """
        design = np.column_stack([margin, np.ones_like(margin)])
        weights, prior = np.array([1.0, 0.0]), np.array([1.0, 0.0])
        # the prior counts as flights with the variance of these margins, which is at least .01
        penalty = PRIOR_STRENGTH * np.diag([max(np.var(margin), 0.01), 1.0]) / 4.0
        for _ in range(25):
            probability = sigmoid(design @ weights)
            gradient = design.T @ (probability - delayed) + penalty @ (weights - prior)
            curvature = (design * (probability * (1 - probability))[:, None]).T @ design + penalty
            step = np.linalg.solve(curvature, gradient)
            weights = weights - step
            if np.abs(step).max() < 1e-10:
                break
        return cls(slope=float(weights[0]), intercept=float(weights[1]))

    @classmethod
    def shift(cls, margin: FloatArray, delayed: npt.NDArray[np.bool_]) -> Self:
        """Fit the intercept alone, which corrects the level for another base rate.

        Parameters and prior are those of `fit`; the slope stays 1.
        """
        intercept, penalty = 0.0, PRIOR_STRENGTH / 4.0
        for _ in range(25):
            probability = sigmoid(margin + intercept)
            gradient = float((probability - delayed).sum()) + penalty * intercept
            step = gradient / (float((probability * (1 - probability)).sum()) + penalty)
            intercept -= step
            if abs(step) < 1e-10:
                break
        return cls(intercept=intercept)

    def apply(self, margin: FloatArray) -> FloatArray:
        """Return the probability of each margin, shape as given."""
        return sigmoid(self.slope * margin + self.intercept)

    def to_json(self) -> dict[str, Any]:
        """Return slope and intercept."""
        return {"method": "platt", "slope": self.slope, "intercept": self.intercept}

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> Self:
        """Restore from `to_json`."""
        return cls(slope=saved["slope"], intercept=saved["intercept"])
