"""The BentoML service: loads the registered model and answers `POST /predict_delay`.

    bentoml serve            serves this folder
    bentoml build            builds the bento `flight_delay_service`

How flights are scored:

1. `serving.api.application` answers every route of the contract before BentoML's own request
   handling. It decodes `POST /predict_delay` and passes the flights of each request to an engine.
2. The engine collects flights of many requests into one batch.
3. `score_batch` scores the batch: one feature pass, one call of the model.

`FLIGHT_DELAY_BATCHING` chooses who collects the batch, and nothing else (see `_engine`):

inline (default)
    `AdaptiveBatcher` scores, once per turn of the event loop, the flights that have arrived. There
    is no waiting window: an idle service scores one flight at once, and batches grow with load.
bentoml
    BentoML's adaptive batching calls the batchable method `score`.
off
    Each request is a batch.
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
from serving.settings import Batching, settings

logger = logging.getLogger("flight_delay")

entrypoint.relax_gc()
at_start = startup.bundles(settings().model)
"""The model, read here so that a bad one ends the start with one line; empty in the supervisor."""
metrics_problem: str | None = None
if startup.supervises():
    logs.configure(settings().log_format)
    metrics_folder.create(settings().workers)
else:
    metrics_problem = metrics_folder.attach(settings().workers)
if TYPE_CHECKING or not startup.supervises():
    # the supervisor never scores: without these imports it starts faster and takes less memory
    from model.inference.bundle import Bundle
    from model.inference.predictor import Predictor
    from serving.batching.adaptive import AdaptiveBatcher
    from serving.batching.engines import BentoBatcher, Engine, Unbatched, score_batch, score_rows
    from serving.contract.decoding import to_flights
    from serving.models.loaded import SAMPLE_WARNING, Runtime
    from serving.models.reload import ModelReloader


@bentoml.service(
    name="flight_delay_service",
    service_class=ApplicationService,
    workers=settings().workers,
    # serving.metrics and serving.http count and limit requests, at a fraction of the cost
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    tracing={"excluded_urls": ".*"},
    # by default BentoML's client inside the process closes its session every 100 calls, and calls
    # that still use it fail
    runner_connection={"max_requests": 2_000_000_000, "max_age": 1e9},
)
class FlightDelayService:
    """Service that scores scheduled departures from Santiago de Chile."""

    model = BentoModel(settings().model)

    def __init__(self) -> None:
        logs.configure(settings().log_format)
        self._predictors: WeakValueDictionary[str, Predictor] = WeakValueDictionary()
        tag, bundle = at_start.pop() if at_start else startup.require(settings().model)
        WallClock.use(bundle.predictor.builder.airport_config)
        self.runtime = self._load(tag, bundle)
        self.reloader = ModelReloader(self, self._load, settings().model, served_tag.folder())
        logger.info("serving %s", self.runtime.tag)
        if metrics_problem:
            logger.warning(metrics_problem)
        if self.runtime.is_sample:
            logger.warning(SAMPLE_WARNING)

    @bentoml.on_startup
    def start(self) -> None:
        """Freeze the garbage collector's objects and watch for newer models; in the event loop."""
        self.runtime.freeze_gc()
        self.reloader.start()

    @bentoml.on_shutdown
    def close(self) -> None:
        """Write the predictions that the log still holds."""
        self.runtime.close()

    @bentoml.api(batchable=True, max_batch_size=settings().max_batch, max_latency_ms=60_000)
    def score(self, rows: list[list[Any]]) -> list[float]:
        """Score a batch that BentoML collected; reachable from inside the process only."""
        return score_rows(self._predictors, rows)

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

    def _load(self, tag: str, bundle: Bundle) -> Runtime:
        """Return a model ready to answer; a request keeps to the model that it began with."""
        self._predictors[tag] = bundle.predictor
        return Runtime(tag, bundle, settings(), self._engine(tag, bundle.predictor))

    def _engine(self, tag: str, predictor: Predictor) -> Engine:
        """Return the engine of the setting; each one scores by `score_batch`."""
        score, chosen = partial(score_batch, predictor), settings()
        match chosen.batching:
            case Batching.INLINE:
                return AdaptiveBatcher(score, chosen.max_batch, chosen.max_queue, chosen.max_bulk)
            case Batching.BENTOML:
                return BentoBatcher(self._call_score, tag)  # calls score_batch in `score_rows`
            case Batching.OFF:
                return Unbatched(score, chosen.max_batch)

    async def _call_score(self, rows: list[list[Any]]) -> list[float]:
        scores: list[float] = await self.to_async.score(rows)  # type: ignore[attr-defined] # set by BentoML
        return scores
