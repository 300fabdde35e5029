"""Declaration of an attempt: its method, reason, protocols and verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from model.experiments.methods.table import Method


class Verdict(StrEnum):
    """Verdict on an attempt."""

    KEPT = "kept"
    DROPPED = "dropped"
    HALF = "kept as one half"
    REFERENCE = "reference"
    """Shows what others did or the value of a part of the model; never a candidate."""
    WARNING = "not a result"


class Kind(StrEnum):
    """Chapters of the page, in order."""

    NOTEBOOK = "The original notebook"
    IMBALANCE = "Weights and resampling"
    FAMILY = "Other families of models"
    LEARNING = "How LightGBM learns"
    SIZE = "Trees and leaves"
    TAKEN = "Features taken away"
    ADDED = "Features added"
    CALIBRATION = "Calibration"


Seeds = Mapping[str, int]
"""Number of seeds by group of protocols (`model.experiments.run.folds.GROUPS`)."""

FULL: Seeds = {"E1": 5, "E2": 5, "E3.schedule": 5, "E3.fresh": 5}
USUAL: Seeds = {"E1": 1, "E3.schedule": 3}
USUAL_AND_DAYS: Seeds = {**USUAL, "E2": 1}
EVERYWHERE: Seeds = {**USUAL_AND_DAYS, "E3.fresh": 1}
ONCE: Seeds = {"E1": 1, "E2": 1, "E3.schedule": 1}
FORWARD: Seeds = {"E3.schedule": 3}
FORWARD_ONCE: Seeds = {"E3.schedule": 1}
FRESH: Seeds = {"E3.fresh": 2}


@dataclass(frozen=True)
class Attempt:
    """Row of the table of experiments.

    Attributes
    ----------
    id
        Unique short name. It is the key of published results: never change it.
    kind
        Its chapter on the page.
    title, why
        What was tried, and why it might have helped.
    method
        The method that is fitted.
    verdict, reason
        The result; a reader can check `reason` against the figures of the row.
    seeds
        Deterministic methods are run once; secondary rows have fewer than five seeds.
    """

    id: str
    kind: Kind
    title: str
    why: str
    method: Method
    verdict: Verdict
    reason: str
    seeds: Seeds = field(default_factory=lambda: USUAL)
    once: bool = False
    """Whether to run one seed only: the method is deterministic or too slow for more."""
