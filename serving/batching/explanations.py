"""Compute the explanations of all requests, one slice per turn of the event loop."""

from __future__ import annotations

import re
from typing import NamedTuple

from data.flights import Flights
from model.inference.explanation import Explainer
from model.inference.predictor import Predictor
from serving.batching.adaptive import Batcher
from serving.contract.encoding import AnswerEncoder
from serving.settings import Settings

EXPLANATION_COST = 40
"""Number of scores that take as long as one explanation."""
EXPLAINED_AT_ONCE = 4
"""Flights explained per turn of the event loop, which delays other requests by milliseconds."""
SMALL_BODY = 4_096
"""Longest body, in bytes, that counts as a small request before it is parsed."""

_asks = re.compile(rb'"explain"[ \t\r\n]*:[ \t\r\n]*true').search


class Explained(NamedTuple):
    """Probability of a flight, and its prediction with the explanation as JSON."""

    probability: float
    prediction: bytes


class ExplanationBatcher(Batcher[Explained]):
    """Batcher that scores and explains flights, one slice per turn of the event loop.

    Slices are taken from the requests round robin. The batcher has a queue of its own, so plain
    flights do not wait for explained ones. The queue is bounded by cost: it takes as long to empty
    as a full queue of plain flights.
    """

    def __init__(self, predictor: Predictor, encoder: AnswerEncoder, settings: Settings) -> None:
        super().__init__(
            EXPLAINED_AT_ONCE,
            max(1, settings.max_queue // EXPLANATION_COST),
            max(1, settings.max_bulk // EXPLANATION_COST),
        )
        self._predictor = predictor
        self._explainer = Explainer(predictor)
        self._encoder = encoder

    def refuses(self, body: bytes) -> bool:
        """Return whether a body asks for explanations and the queue is full, without parsing it."""
        full = self.full if len(body) <= SMALL_BODY else self.full_for_bulk
        return full and _asks(body) is not None

    def _process(self, flights: Flights) -> list[Explained]:
        probabilities: list[float] = self._predictor.score(flights).tolist()
        explanations = self._explainer.explain(flights)
        rows = self._encoder.rows(flights, probabilities, explanations)
        return [Explained(p, row.encode()) for p, row in zip(probabilities, rows, strict=True)]
