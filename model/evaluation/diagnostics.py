"""Add diagnostics to an evaluation: reliability, slices, small airlines, drift over the year."""

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
    """Return the evaluation with the diagnostics that the model card shows.

    Every protocol gets its reliability curve. The protocol of the champion gate also gets slices,
    small airlines and the drift of its calibration. All of them use the first seed.

    Parameters
    ----------
    evaluation, scored
        Both results of `model.evaluation.protocols.evaluate`.
    frame
        The typed frame that `scored` points into.
    """
    extended = {
        name: {**figures, "reliability": _reliability(scored[name])}
        for name, figures in evaluation.items()
    }
    if GATE_PROTOCOL in extended:
        run = scored[GATE_PROTOCOL]
        extended[GATE_PROTOCOL] |= {
            "slices": slices(frame, run, config.decision.threshold),
            "small_airlines": small_airlines(frame, run),
            "drift": drift(frame, run, config),
        }
    return extended


def _reliability(run: Scored) -> dict[str, list[float]]:
    """Return mean probability, late share and flights of each tenth of the flights."""
    predicted, observed, count = reliability(run.late, run.probability)
    return {"said": _rounded(predicted), "happened": _rounded(observed), "n": count.tolist()}


def _rounded(values: FloatArray) -> list[float]:
    rounded: list[float] = values.round(DECIMALS).tolist()
    return rounded
