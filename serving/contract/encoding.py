"""Encoding of predictions as the JSON text of an answer."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence

from data.flights import Flights
from model.inference.explanation import Explanation
from model.inference.predictor import Predictor


def _ignore(_field: str) -> None:
    """Ignore an unknown value."""


class AnswerEncoder:
    """Encoder of answers as JSON text, with all constant parts written in advance.

    The text is put together from strings because its shape is fixed and its only free values are
    floats, which `repr` writes shortest and exact. A test compares it with the contract's models.

    Parameters
    ----------
    model
        Name and version of the model, as answers give it.
    predictor
        Gives the decision rule, and the codes that training has seen.
    count_unknown
        Called with the field, ``airline`` or ``destination``, of each unknown value that is
        written.
    """

    def __init__(
        self, model: str, predictor: Predictor, count_unknown: Callable[[str], None] = _ignore
    ) -> None:
        codes, intervals = predictor.builder.codes, predictor.decision.intervals()
        self._head = f'{{"model":{json.dumps(model)},"predictions":['.encode()
        self._bounds = [lower for lower, _, _ in intervals[1:]]
        self._decisions = [
            f',"delayed":{json.dumps(delayed)},"risk":"{risk}","unknown":['
            for _, delayed, risk in intervals
        ]
        self._airlines, self._destinations = codes.airline_, codes.destination_
        self._count_unknown = count_unknown

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
        """Return the predictions without the rest of the answer; see `join`."""
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
        """Return the answer that consists of these predictions."""
        return b"%b%b]}" % (self._head, b",".join(pieces))

    def _prediction(self, probability: float, airline: str, destination: str) -> str:
        decision = self._decisions[bisect_right(self._bounds, probability)]
        if airline in self._airlines and destination in self._destinations:
            unknown = ""
        else:
            unknown = self._unknown(airline, destination)
        return f'{{"probability":{probability!r}{decision}{unknown}]}}'

    def _unknown(self, airline: str, destination: str) -> str:
        fields = []
        if airline not in self._airlines:
            fields.append("airline")
        if destination not in self._destinations:
            fields.append("destination")
        for field in fields:
            self._count_unknown(field)
        return ",".join(f'"{field}"' for field in fields)


def _explained(prediction: str, explanation: Explanation) -> str:
    """Return the JSON text of a prediction with its explanation added."""
    contributions = [{"group": name, "change": change} for name, change in explanation.changes]
    written = json.dumps({"base": explanation.base, "contributions": contributions})
    return f'{prediction[:-1]},"explanation":{written}}}'
