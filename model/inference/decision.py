"""Decide from a probability: the published threshold and the bands of risk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

COST_RATIO = 3.0
"""Cost of a missed delay in false alarms, unless `train.py --cost-ratio` sets another."""

RISK_NAMES = ("low", "moderate", "elevated", "high")
RISK_BOUNDS = (0.10, 0.20, 0.35)
"""Lower bounds of moderate, elevated and high: about half, once and twice the usual late share."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Threshold of `delayed` and lower bounds of the risk bands.

    With calibrated probabilities the threshold of least cost follows from the costs alone: an
    alarm pays when ``p * cost_of_a_miss > (1 - p) * cost_of_a_false_alarm``. It is therefore not
    tuned on any data, and cannot be overfitted.

    References
    ----------
    C. Elkan, "The foundations of cost-sensitive learning", IJCAI 2001, theorem 1.
    """

    threshold: float = 1.0 / (1.0 + COST_RATIO)
    bounds: tuple[float, ...] = RISK_BOUNDS

    @classmethod
    def from_cost_ratio(cls, cost_ratio: float) -> Self:
        """Return the decision for a miss that costs `cost_ratio` times a false alarm."""
        return cls(threshold=1.0 / (1.0 + cost_ratio))

    def delayed(self, probability: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """Return whether each probability is at or above the threshold."""
        return probability >= self.threshold

    def band(self, probability: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Return the position of each probability's band in `RISK_NAMES`."""
        return np.searchsorted(self.bounds, probability, side="right")

    def intervals(self) -> list[tuple[float, bool, str]]:
        """Return the intervals of probability with one decision each, in ascending order.

        Each is given as its lower bound, which belongs to it, `delayed` and the name of its risk.
        A caller that writes single probabilities looks them up by bisection.
        """
        lower = np.unique([0.0, self.threshold, *self.bounds])
        risks = [RISK_NAMES[band] for band in self.band(lower)]
        return list(zip(lower.tolist(), self.delayed(lower).tolist(), risks, strict=True))

    def to_json(self) -> dict[str, Any]:
        """Return the threshold and the lower bound of each band."""
        return {
            "threshold": self.threshold,
            "risk_from": dict(zip(RISK_NAMES, (0.0, *self.bounds), strict=True)),
        }

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> Self:
        """Restore from `to_json`."""
        bounds = tuple(saved["risk_from"][name] for name in RISK_NAMES[1:])
        return cls(threshold=saved["threshold"], bounds=bounds)
