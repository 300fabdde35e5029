"""The declared attempts. What did not help stays.

Results are kept under the ``repr`` of an attempt's method: words can be mended freely, a changed
method is run anew.
"""

from __future__ import annotations

from model.experiments.attempts.attempt import Attempt
from model.experiments.attempts.features import ADDED, SIZES, TAKEN
from model.experiments.attempts.learning import ALONE, CALIBRATION, LEARNING
from model.experiments.attempts.others import FAMILIES, IMBALANCE, NOTEBOOK, SERVED

__all__ = ["ALONE", "ATTEMPTS", "SERVED"]

ATTEMPTS: tuple[Attempt, ...] = (
    *NOTEBOOK,
    *IMBALANCE,
    *FAMILIES,
    *LEARNING,
    *SIZES,
    *TAKEN,
    *ADDED,
    *CALIBRATION,
)
