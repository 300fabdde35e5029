"""Training labels: how clearly a flight was late, as a number between 0 and 1."""

from __future__ import annotations

import numpy as np

from data.reference import DELAY_MINUTES
from model.inference.calibration import FloatArray, sigmoid

SOFTNESS_MINUTES = 4.0
"""How gradually a training label passes from on time to late around its centre."""
LIMIT = DELAY_MINUTES + 0.5
"""Delays are whole minutes: late begins between 15 and 16."""

_SEARCHED_MINUTES = (-60.0, 240.0)
_HALVINGS = 40


def soft_labels(
    delay: FloatArray, centre: float = LIMIT, softness: float = SOFTNESS_MINUTES
) -> FloatArray:
    """Labels of flights by their delay in minutes, shape ``(n,)``.

    A flight 14 minutes late and one 16 minutes late are all but the same flight, and one 90
    minutes late says more than either. The logistic curve around `centre` tells the Booster so;
    it is fitted by cross entropy and judged, everywhere, on the hard outcome.
    """
    return sigmoid((delay - centre) / softness)


def matching_centre(delay: FloatArray) -> float:
    """Centre at which the labels' mean is the late share, so that probabilities are not shifted.

    More flights stand just below the limit than above it: labels centred on the limit itself are
    on average above the late share.
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
