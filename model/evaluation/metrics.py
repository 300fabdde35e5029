"""Compute the figures of the evaluation protocol."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    log_loss,
    precision_recall_fscore_support,
    roc_auc_score,
)

from model.inference.calibration import FloatArray
from model.inference.decision import Decision

BINS = 10
OUTCOMES = (False, True)
BoolArray = npt.NDArray[np.bool_]

FIGURES = (
    "auc",
    "ap",
    "log_loss",
    "log_loss_constant",
    "brier",
    "brier_constant",
    "ece",
    "precision",
    "recall",
    "f1",
)


def figures(
    late: BoolArray, probability: FloatArray, constant: FloatArray, threshold: float
) -> dict[str, float | None]:
    """Return all figures of one set of scored flights.

    If all flights have the same outcome, nothing can be ranked: `auc` and `ap` are ``None``.

    Parameters
    ----------
    late, probability
        Outcomes and scores, shape ``(n,)``.
    constant
        Constant base rate: the late share of the training flights of each flight, ``(n,)``.
    threshold
        Probability from which a flight is called delayed.
    """
    alarm = Decision(threshold).delayed(probability)
    precision, recall, f1, _ = precision_recall_fscore_support(
        late, alarm, average="binary", zero_division=0.0
    )
    both = bool(late.any() and not late.all())
    return {
        "auc": float(roc_auc_score(late, probability)) if both else None,
        "ap": float(average_precision_score(late, probability)) if both else None,
        "log_loss": float(log_loss(late, probability, labels=OUTCOMES)),
        "log_loss_constant": float(log_loss(late, constant, labels=OUTCOMES)),
        "brier": float(brier_score_loss(late, probability, labels=OUTCOMES)),
        "brier_constant": float(brier_score_loss(late, constant, labels=OUTCOMES)),
        "ece": calibration_error(late, probability),
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
    }


def calibration_error(late: BoolArray, probability: FloatArray, bins: int = BINS) -> float:
    """Return the expected calibration error over bins of equal mass.

    References
    ----------
    Naeini, Cooper, Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning",
    AAAI 2015.
    """
    predicted, observed, count = reliability(late, probability, bins)
    return float(np.sum(np.abs(predicted - observed) * count) / count.sum())


def reliability(
    late: BoolArray, probability: FloatArray, bins: int = BINS
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return mean probability, late share and flights of each bin, each of shape ``(bins,)``."""
    # flights of equal probability get the same late share, so that their order does not matter
    _, group = np.unique(probability, return_inverse=True)
    share = (np.bincount(group, weights=late) / np.bincount(group))[group]
    parts = np.array_split(np.argsort(probability, kind="stable"), min(bins, len(late)))
    predicted = np.array([probability[part].mean() for part in parts])
    observed = np.array([share[part].mean() for part in parts])
    return predicted, observed, np.array([len(part) for part in parts], dtype=float)


def flight_log_loss(late: BoolArray, probability: FloatArray) -> FloatArray:
    """Return the log loss of each flight, shape ``(n,)``."""
    clipped = np.clip(probability, 1e-15, 1 - 1e-15)
    return -np.where(late, np.log(clipped), np.log1p(-clipped))
