"""From probabilities to the bytes of an answer."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from data.flights import Flights
from model.inference.explanation import Explanation
from model.inference.predictor import Predictor


class AnswerEncoder:
    """Writes answers as JSON text, with all that never changes written in advance.

    The text is put together by hand because its shape is fixed and its only free values are
    floats, which `repr` writes shortest and exact. A test holds it to the contract's models.
    """

    def __init__(self, model: str, predictor: Predictor) -> None:
        codes, intervals = predictor.builder.codes, predictor.decision.intervals()
        self._head = f'{{"model":{json.dumps(model)},"predictions":['.encode()
        self._bounds = [lower for lower, _, _ in intervals[1:]]
        self._decisions = [
            f',"delayed":{json.dumps(delayed)},"risk":"{risk}","unknown":['
            for _, delayed, risk in intervals
        ]
        self._airlines, self._destinations = codes.airline_, codes.destination_

    def encode(
        self,
        flights: Flights,
        probabilities: Sequence[float],
        explanations: Sequence[Explanation] | None = None,
    ) -> bytes:
        """Return the answer for flights and their probabilities, in order."""
        return self.join([self.predictions(flights, probabilities, explanations)])

    def predictions(
        self,
        flights: Flights,
        probabilities: Sequence[float],
        explanations: Sequence[Explanation] | None = None,
    ) -> bytes:
        """Return the predictions alone, a piece of an answer that is written in pieces."""
        return ",".join(self.rows(flights, probabilities, explanations)).encode()

    def rows(
        self,
        flights: Flights,
        probabilities: Sequence[float],
        explanations: Sequence[Explanation] | None = None,
    ) -> Iterator[str]:
        """Return each prediction as JSON, in order."""
        rows = map(self._prediction, probabilities, flights.airline, flights.destination)
        return rows if explanations is None else map(_explained, rows, explanations)

    def join(self, pieces: Sequence[bytes]) -> bytes:
        """Return the answer of all pieces."""
        return b"%b%b]}" % (self._head, b",".join(pieces))

    def _prediction(self, probability: float, airline: str, destination: str) -> str:
        decision = self._decisions[bisect_right(self._bounds, probability)]
        unknown = self._unknown(airline, destination)
        return f'{{"probability":{probability!r}{decision}{unknown}]}}'

    def _unknown(self, airline: str, destination: str) -> str:
        if airline in self._airlines:
            return "" if destination in self._destinations else '"destination"'
        return '"airline"' if destination in self._destinations else '"airline","destination"'


def _explained(prediction: str, explanation: Explanation) -> str:
    """Put the explanation into a prediction that is written already."""
    contributions = [{"group": name, "change": change} for name, change in explanation.changes]
    written = json.dumps({"base": explanation.base, "contributions": contributions})
    return f'{prediction[:-1]},"explanation":{written}}}'
