"""The BentoML service: loads the registered model and answers `POST /predict_delay`.

    bentoml serve            serves this folder
    bentoml build            makes the bento `flight_delay_service`

Two things stand here: the adaptive-batching runner `score`, which scores flights of many requests
at once, and the endpoint `predict_delay`. Over HTTP the front door (`serving.front`) answers every
route of the contract before BentoML's own request handling sees it.
"""

from __future__ import annotations

import logging
from typing import Annotated

import bentoml
from annotated_types import Len
from bentoml.models import BentoModel

from serving import registry
from serving.batching import BentoBatcher, Row, from_rows, score_at_once
from serving.contract import MAX_FLIGHTS, AirportState, Flight, PredictionResponse
from serving.decoding import to_flights
from serving.framework import FrontDoorService
from serving.runtime import SAMPLE_WARNING, Runtime
from serving.settings import settings

logger = logging.getLogger("flight_delay")

registry.require(settings().model)


@bentoml.service(
    name="flight_delay_service",
    service_class=FrontDoorService,
    workers=settings().workers,
    # the front door counts and limits requests itself, at a fraction of the cost
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    tracing={"excluded_urls": ".*"},
    # by default the client inside the process renews its session every 100 calls while others
    # still use it, and fails them
    runner_connection={"max_requests": 2_000_000_000, "max_age": 1e9},
)
class FlightDelayService:
    """Scores scheduled departures from Santiago de Chile."""

    model = BentoModel(settings().model)

    def __init__(self) -> None:
        tag, bundle = registry.read(settings().model, threads=1)
        self.runtime = Runtime(tag, bundle, settings(), BentoBatcher(self._call_runner))
        logger.info("serving %s", tag)
        if self.runtime.is_sample:
            logger.warning(SAMPLE_WARNING)

    @bentoml.on_startup
    def settle(self) -> None:
        """Prepare the process for its life as a server, once everything is loaded."""
        self.runtime.settle()

    @bentoml.on_shutdown
    def finish(self) -> None:
        """Write what the prediction log still holds."""
        self.runtime.close()

    @bentoml.api(batchable=True, max_batch_size=settings().max_batch, max_latency_ms=60_000)
    def score(self, rows: list[Row]) -> list[float]:
        """Score flights of many requests at once; reachable from inside the process only."""
        return score_at_once(self.runtime.predictor, from_rows(rows))

    @bentoml.api
    async def predict_delay(
        self,
        flights: Annotated[list[Flight], Len(1, MAX_FLIGHTS)],
        airport_state: AirportState | None = None,
        explain: bool = False,
    ) -> PredictionResponse:
        """Score scheduled departures, in order: the contract as BentoML's own clients read it."""
        body = await self.runtime.answer(to_flights(flights, airport_state), explain=explain)
        return PredictionResponse.model_validate_json(body)

    async def _call_runner(self, rows: list[Row]) -> list[float]:
        probabilities: list[float] = await self.to_async.score(rows)  # type: ignore[attr-defined] # set by BentoML
        return probabilities
