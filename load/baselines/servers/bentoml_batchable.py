# BentoML's decorators carry no types
# mypy: disable-error-code="untyped-decorator"
"""BentoML's adaptive batching with its defaults: a batchable API method."""

from __future__ import annotations

import bentoml

from load.baselines.servers.shared import Scorer
from serving.contract.schema import Flight, Prediction


@bentoml.service(name="baseline_batchable", workers=1)
class Baseline:
    """Service that scores flights of many requests at once."""

    def __init__(self) -> None:
        self.scorer = Scorer()

    @bentoml.api(batchable=True)
    def predict_delay(self, flights: list[Flight]) -> list[Prediction]:
        """Score the flights of the requests that BentoML has batched."""
        return [Prediction(**each) for each in self.scorer.predict(flights)]
