"""From a probability to a decision: the published threshold and the bands of risk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

COST_RATIO = 3.0
"""False alarms that one missed delay is worth, unless `train.py --cost-ratio` says otherwise."""

RISK_NAMES = ("low", "moderate", "elevated", "high")
RISK_BOUNDS = (0.10, 0.20, 0.35)
"""Lower bounds of moderate, elevated and high: about half, once and twice the usual late share."""


@dataclass(frozen=True, slots=True)
class Decision:
    """When a flight is called delayed, and how its risk is named.

    With calibrated probabilities the threshold that costs least follows from the costs alone:
    an alarm pays when ``p * cost_of_a_miss > (1 - p) * cost_of_a_false_alarm``. It is therefore
    not tuned on any data, and cannot be overfitted.

    References
    ----------
    C. Elkan, "The foundations of cost-sensitive learning", IJCAI 2001, theorem 1.
    """

    threshold: float = 1.0 / (1.0 + COST_RATIO)
    bounds: tuple[float, ...] = RISK_BOUNDS

    @classmethod
    def from_cost_ratio(cls, cost_ratio: float) -> Self:
        """Threshold for a miss that costs `cost_ratio` times a false alarm."""
        return cls(threshold=1.0 / (1.0 + cost_ratio))

    def delayed(self, probability: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """Whether each probability is at or above the threshold."""
        return probability >= self.threshold

    def band(self, probability: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Position of each probability's band in `RISK_NAMES`."""
        return np.searchsorted(self.bounds, probability, side="right")

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
