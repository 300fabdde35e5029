"""The figures of the evaluation protocol."""

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
    """All figures of one set of scored flights.

    Where all flights ended alike there is nothing to rank: `auc` and `ap` are then ``None``.

    Parameters
    ----------
    late, probability
        Outcomes and scores, shape ``(n,)``.
    constant
        What a model that knows only the late share of its training flights would say, ``(n,)``.
    threshold
        Probability from which a flight is called delayed.
    """
    precision, recall, f1, _ = precision_recall_fscore_support(
        late, probability >= threshold, average="binary", zero_division=0.0
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
    """Expected calibration error over bins of equal mass.

    References
    ----------
    Naeini, Cooper, Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning",
    AAAI 2015.
    """
    said, happened, count = reliability(late, probability, bins)
    return float(np.sum(np.abs(said - happened) * count) / count.sum())


def reliability(
    late: BoolArray, probability: FloatArray, bins: int = BINS
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean probability, late share and number of flights of each bin, each of shape ``(bins,)``."""
    # flights of equal probability share their late share, in whichever bins they come to stand
    _, group = np.unique(probability, return_inverse=True)
    share = (np.bincount(group, weights=late) / np.bincount(group))[group]
    parts = np.array_split(np.argsort(probability, kind="stable"), min(bins, len(late)))
    said = np.array([probability[part].mean() for part in parts])
    happened = np.array([share[part].mean() for part in parts])
    return said, happened, np.array([len(part) for part in parts], dtype=float)


def flight_log_loss(late: BoolArray, probability: FloatArray) -> FloatArray:
    """Log loss of each single flight, shape ``(n,)``."""
    clipped = np.clip(probability, 1e-15, 1 - 1e-15)
    return -np.where(late, np.log(clipped), np.log1p(-clipped))
