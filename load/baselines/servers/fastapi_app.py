# its packages are installed in an environment of its own
# mypy: disable-error-code="import-not-found, untyped-decorator"
"""FastAPI, by hand: an asynchronous handler that calls the Predictor."""

from __future__ import annotations

from fastapi import FastAPI

from load.baselines.servers.shared import Scorer
from serving.contract.schema import Prediction, PredictionRequest, PredictionResponse

app = FastAPI()
scorer = Scorer()


@app.post("/predict_delay")
async def predict_delay(request: PredictionRequest) -> PredictionResponse:
    """Score the flights of a request."""
    predictions = [Prediction(**each) for each in scorer.predict(request.flights)]
    return PredictionResponse(model="baseline", predictions=predictions)
