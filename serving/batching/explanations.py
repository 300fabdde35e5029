"""Explanations of all requests, computed a slice per turn of the event loop."""

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
"""Scores that take as long as one explanation: an explained flight counts as so many."""
EXPLAINED_AT_ONCE = 4
"""Flights that one turn of the event loop explains: a few milliseconds for everybody else."""
SMALL_BODY = 4_096
"""Bytes of a body that may hold no more flights than are explained at once."""

_asks = re.compile(rb'"explain"[ \t\r\n]*:[ \t\r\n]*true').search


class Explained(NamedTuple):
    """A flight's probability, and its prediction with the explanation as JSON."""

    probability: float
    prediction: bytes


class ExplanationBatcher(Batcher[Explained]):
    """Scores and explains flights, at most one slice per turn of the event loop for all requests.

    Requests take turns by the slice. Its queue is its own and bounded by cost: explained flights
    keep no plain flight waiting, and are refused once so many wait that they take as long as the
    plain flights that may wait.
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
        """Return whether a body asks for explanations and would find no room; does not parse it."""
        full = self.full if len(body) <= SMALL_BODY else self.full_for_bulk
        return full and _asks(body) is not None

    def _process(self, flights: Flights) -> list[Explained]:
        probabilities: list[float] = self._predictor.score(flights).tolist()
        explanations = self._explainer.explain(flights)
        rows = self._encoder.rows(flights, probabilities, explanations)
        return [Explained(p, row.encode()) for p, row in zip(probabilities, rows, strict=True)]
