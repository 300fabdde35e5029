"""What stands behind the figures: reliability, slices, small airlines and the drift of the year."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from model.evaluation.drift import drift
from model.evaluation.gate import GATE_PROTOCOL
from model.evaluation.metrics import reliability
from model.evaluation.protocols import Scored
from model.evaluation.slices import slices, small_airlines
from model.inference.calibration import FloatArray
from model.training.fit import TrainingConfig

DECIMALS = 5

JsonObject = dict[str, Any]


def add_diagnostics(
    frame: pd.DataFrame,
    config: TrainingConfig,
    evaluation: JsonObject,
    scored: Mapping[str, Scored],
) -> JsonObject:
    """Return the evaluation with all that the model card tells beside the figures.

    Of each protocol its reliability curve; of the one that the gate judges by also the slices,
    the small airlines and how calibration drifts. All of it is that of the first seed.

    Parameters
    ----------
    evaluation, scored
        Both results of `model.evaluation.protocols.evaluate`.
    frame
        The typed frame that `scored` points into.
    """
    examined = {
        name: {**figures, "reliability": _reliability(scored[name])}
        for name, figures in evaluation.items()
    }
    if GATE_PROTOCOL in examined:
        run = scored[GATE_PROTOCOL]
        examined[GATE_PROTOCOL] |= {
            "slices": slices(frame, run, config.decision.threshold),
            "small_airlines": small_airlines(frame, run),
            "drift": drift(frame, run, config),
        }
    return examined


def _reliability(run: Scored) -> dict[str, list[float]]:
    """Mean probability, late share and flights of each tenth, as the page draws them."""
    said, happened, count = reliability(run.late, run.probability)
    return {"said": _rounded(said), "happened": _rounded(happened), "n": count.tolist()}


def _rounded(values: FloatArray) -> list[float]:
    rounded: list[float] = values.round(DECIMALS).tolist()
    return rounded
