"""Threshold rules that turn a probability into a decision, and their consequences."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import precision_recall_curve, precision_recall_fscore_support

from model.evaluation.metrics import BoolArray
from model.inference.calibration import FloatArray
from model.inference.decision import COST_RATIO, Decision

RULES = {
    "half": ".5, as a classifier's `predict` uses",
    "base": "the late share of the training flights",
    "cost": f"1 / (1 + {COST_RATIO:g}): a miss costs {COST_RATIO:g} false alarms",
    "f1": "the threshold with the highest F1 on other held-out flights",
}


def best_f1(late: BoolArray, probability: FloatArray) -> float:
    """Return the threshold with the highest F1 on these flights."""
    precision, recall, threshold = precision_recall_curve(late, probability)
    total = precision + recall
    f1 = np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)
    return float(threshold[np.argmax(f1[:-1])])


def fixed_rules(constant: FloatArray) -> dict[str, FloatArray]:
    """Return the thresholds that depend on no score, each of shape ``(n,)``."""
    return {
        "half": np.full_like(constant, 0.5),
        "base": constant,
        "cost": np.full_like(constant, Decision.from_cost_ratio(COST_RATIO).threshold),
    }


def consequences(
    late: BoolArray, probability: FloatArray, threshold: FloatArray
) -> dict[str, float]:
    """Return precision, recall, F1, share of alarms and cost per flight.

    A flight whose threshold is missing (NaN) is left out. The cost is counted in false alarms, a
    miss as `model.inference.decision.COST_RATIO` of them.
    """
    has_threshold = ~np.isnan(threshold)
    late, alarm = late[has_threshold], probability[has_threshold] >= threshold[has_threshold]
    precision, recall, f1, _ = precision_recall_fscore_support(
        late, alarm, average="binary", zero_division=0.0
    )
    cost = (COST_RATIO * (late & ~alarm).sum() + (~late & alarm).sum()) / len(late)
    values: dict[str, Any] = {
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "alarms": alarm.mean(),
        "cost": cost,
        "threshold": np.nanmean(threshold),
        "n": has_threshold.sum(),
    }
    return {name: float(value) for name, value in values.items()}
