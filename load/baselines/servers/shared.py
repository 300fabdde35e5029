"""Load the same model files in every baseline, and score flights with them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from model.inference.bundle import Bundle
from model.inference.decision import RISK_NAMES
from serving.contract.decoding import to_flights
from serving.contract.schema import Flight

FOLDER_VARIABLE = "BASELINE_MODEL_FOLDER"
"""Environment variable with the bundle's folder in the model store."""


class Scorer:
    """Scorer with the service's own Predictor, one thread, read from the same files."""

    def __init__(self) -> None:
        self._predictor = Bundle.read(Path(os.environ[FOLDER_VARIABLE]), threads=1).predictor

    def predict(self, flights: Sequence[Flight]) -> list[dict[str, Any]]:
        """Return predictions in the format of the contract, in order."""
        scores = self._predictor.predict(to_flights(flights))
        return [
            {
                "probability": probability,
                "delayed": delayed,
                "risk": RISK_NAMES[band],
                "unknown": unknown,
            }
            for probability, delayed, band, unknown in zip(
                scores.probability.tolist(),
                scores.delayed.tolist(),
                scores.band.tolist(),
                scores.unknown,
                strict=True,
            )
        ]
