# BentoML's decorators carry no types
# mypy: disable-error-code="untyped-decorator"
"""BentoML with its defaults: an asynchronous API method that calls the Predictor."""

from __future__ import annotations

import bentoml

from load.baselines.servers.shared import Scorer
from serving.contract.schema import Flight, Prediction, PredictionResponse


@bentoml.service(name="baseline_async", workers=1)
class Baseline:
    """Service that scores the flights of a request."""

    def __init__(self) -> None:
        self.scorer = Scorer()

    @bentoml.api
    async def predict_delay(self, flights: list[Flight]) -> PredictionResponse:
        """Score the flights of a request."""
        predictions = [Prediction(**each) for each in self.scorer.predict(flights)]
        return PredictionResponse(model="baseline", predictions=predictions)
