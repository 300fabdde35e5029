"""One declared attempt: what was tried, why, on which protocols, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from model.experiments.methods.table import Method


class Verdict(StrEnum):
    """What became of an attempt."""

    KEPT = "kept"
    DROPPED = "dropped"
    HALF = "kept as one half"
    REFERENCE = "reference"
    """Shows what others did, or what a part of the model is worth; never a candidate."""
    WARNING = "not a result"


class Kind(StrEnum):
    """Chapters of the page, in their order."""

    NOTEBOOK = "The original notebook"
    IMBALANCE = "Weights and resampling"
    FAMILY = "Other families of models"
    LEARNING = "How LightGBM learns"
    SIZE = "Trees and leaves"
    TAKEN = "Features taken away"
    ADDED = "Features added"
    CALIBRATION = "Calibration"


Seeds = Mapping[str, int]
"""How many seeds are run, by group of protocols (`model.experiments.run.folds.GROUPS`)."""

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
    """A row of the ledger.

    Attributes
    ----------
    id
        Short name, unique.
    kind
        The chapter it stands in.
    title, why
        What was tried, and why it might have helped.
    method
        What is fitted.
    verdict, reason
        What became of it; of `reason` a reader should be able to check every figure in the row.
    seeds
        A method without chance in it is run once; secondary rows have fewer seeds than five.
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
    """Whether another seed would give the same, or the row is too dear for more than one."""
