"""All declared attempts, those without a gain included.

Results are kept under `method_id`: texts and class names can change freely, a method with changed
settings is run again.
"""

from __future__ import annotations

from model.experiments.attempts.attempt import Attempt
from model.experiments.attempts.features import ADDED, SIZES, TAKEN
from model.experiments.attempts.learning import ALONE, CALIBRATION, LEARNING
from model.experiments.attempts.others import IMBALANCE, MODELS, NOTEBOOK, SERVED

__all__ = ["ALONE", "ATTEMPTS", "SERVED"]

ATTEMPTS: tuple[Attempt, ...] = (
    *NOTEBOOK,
    *IMBALANCE,
    *MODELS,
    *LEARNING,
    *SIZES,
    *TAKEN,
    *ADDED,
    *CALIBRATION,
)
