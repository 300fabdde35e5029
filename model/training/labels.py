"""Make soft training labels: numbers between 0 and 1 that rise with the delay."""

from __future__ import annotations

import numpy as np

from data.reference import DELAY_MINUTES
from model.inference.calibration import FloatArray, sigmoid

SOFTNESS_MINUTES = 4.0
"""Scale of the logistic curve that turns a delay into a label."""
LIMIT = DELAY_MINUTES + 0.5
"""Midpoint between 15 minutes (on time) and 16 (late): delays are whole minutes."""

_SEARCHED_MINUTES = (-60.0, 240.0)
_HALVINGS = 40


def soft_labels(
    delay: FloatArray, centre: float = LIMIT, softness: float = SOFTNESS_MINUTES
) -> FloatArray:
    """Return the labels of flights by their delay in minutes, shape ``(n,)``.

    The label is a logistic curve of the delay, so that flights 14 and 16 minutes late have similar
    labels and one 90 minutes late has a clear one. Models are fitted to these labels by cross
    entropy, and always evaluated on the hard outcome.
    """
    return sigmoid((delay - centre) / softness)


def matching_centre(delay: FloatArray) -> float:
    """Return the centre at which the mean label equals the late share, found by bisection.

    More flights lie just below the limit than just above it, so labels centred on the limit are on
    average above the late share and would shift the probabilities.
    """
    late_share = float(np.mean(delay > DELAY_MINUTES))
    low, high = _SEARCHED_MINUTES
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if soft_labels(delay, middle).mean() > late_share:
            low = middle
        else:
            high = middle
    return low
