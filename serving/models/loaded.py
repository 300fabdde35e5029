"""Loaded model of one service process, with its engine and its answer encoder."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import Sequence
from typing import Any

from data.flights import Flights
from model.inference.bundle import Bundle
from serving import metrics
from serving.batching.adaptive import AdaptiveBatcher
from serving.batching.engines import Engine
from serving.batching.explanations import Explained, ExplanationBatcher
from serving.contract.decoding import to_flights
from serving.contract.encoding import AnswerEncoder
from serving.contract.schema import EXAMPLE_FLIGHT, Flight
from serving.prediction_log.log import PredictionLog
from serving.prediction_log.record import Headers
from serving.settings import Settings

SAMPLE_WARNING = (
    "This model was trained on the embedded sample: generated flights, not real ones. "
    "Its answers show how the service works and say nothing about real delays."
)

WRITTEN_AT_ONCE = 500
SWITCH_SECONDS = 0.0005
"""Longest wait of the event loop for a thread, such as one that decodes a body or loads a model."""


class Runtime:
    """Loaded model and everything that is made once for it.

    Attributes
    ----------
    engine
        Engine that scores flights.
    explanations
        Batcher that scores and explains flights; the same for all engines.
    encoder
        Encoder of answers.
    card
        Body of `GET /model`.
    example
        Flight with codes that are frequent in the training data.
    log
        Prediction log; ``None`` where it is off.
    """

    def __init__(self, tag: str, bundle: Bundle, settings: Settings, engine: Engine) -> None:
        self.tag = tag
        self.predictor = bundle.predictor
        self.engine = engine
        self.encoder = AnswerEncoder(tag, bundle.predictor, metrics.buffer.unknown)
        self.log = PredictionLog.of(settings, bundle.predictor, tag)
        self.explanations = ExplanationBatcher(bundle.predictor, self.encoder, settings)
        self.is_sample: bool = bundle.card["data"]["is_sample"]
        self.card = json.dumps(_published_card(tag, bundle), ensure_ascii=False).encode()
        self.example = example_flight(bundle)
        self._probe = to_flights([self.example])

    @property
    def waiting(self) -> int:
        """Number of accepted flights that are not scored yet, in queues of this process."""
        plain = self.engine.waiting if isinstance(self.engine, AdaptiveBatcher) else 0
        return plain + self.explanations.waiting

    async def answer(self, flights: Flights, headers: Headers = (), *, explain: bool) -> bytes:
        """Score flights by the engine, explain them on request, and return the encoded answer."""
        if explain:
            return self.write_explained(flights, await self.explanations.values(flights), headers)
        probabilities = await self.engine.score(flights)
        self._log_predictions(flights, probabilities, headers)
        pieces = []
        for start in range(0, len(flights), WRITTEN_AT_ONCE):
            if start:
                await asyncio.sleep(0)
            stop = start + WRITTEN_AT_ONCE
            these = flights.slice(start, stop)
            pieces.append(self.encoder.predictions(these, probabilities[start:stop]))
        return self.encoder.join(pieces)

    def write(
        self, flights: Flights, probabilities: Sequence[float], headers: Headers = ()
    ) -> bytes:
        """Return the answer for the scored flights of a small request, and log them."""
        body = self.encoder.encode(flights, probabilities)
        self._log_predictions(flights, probabilities, headers)
        return body

    def write_explained(
        self, flights: Flights, explained: Sequence[Explained], headers: Headers = ()
    ) -> bytes:
        """Return the answer for explained flights, and log them."""
        body = self.encoder.join([each.prediction for each in explained])
        self._log_predictions(flights, [each.probability for each in explained], headers)
        return body

    def _log_predictions(
        self, flights: Flights, probabilities: Sequence[float], headers: Headers
    ) -> None:
        if self.log is not None:
            self.log.put(flights, probabilities, headers)

    def ready(self) -> bool:
        """Return whether a prediction of one flight works."""
        return 0.0 <= float(self.predictor.predict(self._probe).probability[0]) <= 1.0

    def freeze_gc(self) -> None:
        """Freeze the objects that live as long as the process; called inside its event loop.

        BentoML imports so many objects that a full garbage collection stops the process for a
        tenth of a second or more. Frozen objects are never visited again.
        """
        asyncio.get_running_loop().run_in_executor(None, self.predictor.compile)
        sys.setswitchinterval(SWITCH_SECONDS)
        metrics.flush_every_second()
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)

    def close(self) -> None:
        """Write the predictions that the log still holds, for a bounded time."""
        if self.log is not None:
            self.log.close()


def _published_card(tag: str, bundle: Bundle) -> dict[str, Any]:
    decision = bundle.predictor.decision.to_json()
    card = {"model": tag, **decision, **bundle.card}
    if bundle.card["data"]["is_sample"]:
        card["warning"] = SAMPLE_WARNING
    return card


def example_flight(bundle: Bundle) -> Flight:
    """Return a usual flight of the airline with the most flights in training.

    Its destination is the most frequent one that the airline serves. Cards of older models list no
    flight numbers: then it is the example of the contract.
    """
    codes = bundle.predictor.builder.codes
    usual = bundle.card.get("flight_numbers", {})
    routes = (
        (airline, destination)
        for airline in codes.airline_  # the most frequent first
        for destination in codes.destination_
        if usual.get(airline, {}).get(destination)
    )
    airline, destination = next(routes, (None, None))
    if airline is None:
        return Flight.model_validate(EXAMPLE_FLIGHT)
    return Flight.model_validate(
        EXAMPLE_FLIGHT
        | {
            "airline": airline,
            "flight_number": usual[airline][destination][0],
            "destination": destination,
            "flight_type": codes.type_of(str(destination)),
        }
    )
