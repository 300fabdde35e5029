"""The BentoML service: loads the registered model and answers `POST /predict_delay`.

    bentoml serve            serves this folder
    bentoml build            makes the bento `flight_delay_service`

Two things stand here: the adaptive-batching runner `score`, which scores flights of many requests
at once, and the endpoint `predict_delay`. Over HTTP `serving.api.application` answers every route
of the contract before BentoML's own request handling sees it.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any
from weakref import WeakValueDictionary

import bentoml
from annotated_types import Len
from bentoml.models import BentoModel

from serving import logs, metrics_folder
from serving.bento import entrypoint, startup
from serving.bento.service_class import ApplicationService
from serving.contract.schema import MAX_FLIGHTS, AirportState, Flight, PredictionResponse, WallClock
from serving.models import served_tag
from serving.settings import settings

if TYPE_CHECKING:
    from model.inference.bundle import Bundle
    from serving.models.loaded import Runtime

logger = logging.getLogger("flight_delay")

entrypoint.relax_gc()
at_start = startup.bundles(settings().model)
"""Read here for the sake of a clear refusal; taken from here, so that a newer model replaces it."""
metrics_problem: str | None = None
if startup.supervises():
    logs.configure(settings().log_format)
    metrics_folder.create(settings().workers)
else:
    metrics_problem = metrics_folder.attach(settings().workers)


@bentoml.service(
    name="flight_delay_service",
    service_class=ApplicationService,
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
        from serving.models.loaded import SAMPLE_WARNING  # noqa: PLC0415 - see serving.bento.startup
        from serving.models.reload import ModelReloader  # noqa: PLC0415 - see serving.bento.startup

        logs.configure(settings().log_format)
        self._models: WeakValueDictionary[str, Runtime] = WeakValueDictionary()
        tag, bundle = at_start.pop() if at_start else startup.require(settings().model)
        WallClock.of(bundle.predictor.builder.home)
        self.runtime = self._make(tag, bundle)
        self.rollover = ModelReloader(self, self._make, settings().model, served_tag.folder())
        logger.info("serving %s", self.runtime.tag)
        if metrics_problem:
            logger.warning(metrics_problem)
        if self.runtime.is_sample:
            logger.warning(SAMPLE_WARNING)

    @bentoml.on_startup
    def freeze_gc(self) -> None:
        """Prepare the process for its life as a server, once everything is loaded."""
        self.runtime.freeze_gc()
        self.rollover.start()

    @bentoml.on_shutdown
    def finish(self) -> None:
        """Write what the prediction log still holds."""
        self.runtime.close()

    @bentoml.api(batchable=True, max_batch_size=settings().max_batch, max_latency_ms=60_000)
    def score(self, rows: list[list[Any]]) -> list[float]:
        """Score flights of many requests at once; reachable from inside the process only."""
        from serving.models.reload import score_by_model  # noqa: PLC0415 - see serving.bento.startup

        return score_by_model(self._models, rows)

    @bentoml.api
    async def predict_delay(
        self,
        flights: Annotated[list[Flight], Len(1, MAX_FLIGHTS)],
        airport_state: AirportState | None = None,
        explain: bool = False,
    ) -> PredictionResponse:
        """Score scheduled departures, in order: the contract as BentoML's own clients read it."""
        from serving.contract.decoding import to_flights  # noqa: PLC0415 - see serving.bento.startup

        body = await self.runtime.answer(to_flights(flights, airport_state), explain=explain)
        return PredictionResponse.model_validate_json(body)

    def _make(self, tag: str, bundle: Bundle) -> Runtime:
        """What answers with a model; a request keeps to the one that it began with."""
        from serving.batching.engines import BentoBatcher  # noqa: PLC0415 - see serving.bento.startup
        from serving.models.loaded import Runtime  # noqa: PLC0415 - see serving.bento.startup

        batcher = BentoBatcher(partial(self._call_runner, tag))
        self._models[tag] = runtime = Runtime(tag, bundle, settings(), batcher)
        return runtime

    async def _call_runner(self, tag: str, rows: list[list[Any]]) -> list[float]:
        named = [[*row, tag] for row in rows]
        probabilities: list[float] = await self.to_async.score(named)  # type: ignore[attr-defined] # set by BentoML
        return probabilities
