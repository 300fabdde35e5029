"""Send bodies to the application in this process, and compare each answer with the oracle's."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from model.inference.bundle import Bundle
from serving.api.application import Application
from serving.api.asgi import ASGIApp, Headers, Message
from serving.api.large_requests import LARGE_BODY
from serving.api.predict import PredictDelay
from serving.contract.decoding import LISTED_ERRORS
from serving.contract.schema import (
    AirportState,
    AirportWindow,
    Flight,
    PredictionRequest,
    PredictionResponse,
    Problem,
)
from serving.settings import Settings
from tests.support.oracle import NOT_JSON, Accepted, Oracle, Rejected, Verdict
from tests.support.runtime import make_runtime, not_reached

CORPUS = Path(__file__).parent / "corpus"
TOLERANCE = 1e-9
TOGETHER = 64
"""Concurrent requests, so that their flights share batches."""
LONGEST_KEPT = 600
MODEL = "flight_delay:fuzzed"
NAMES = frozenset(
    name
    for model in (PredictionRequest, Flight, AirportState, AirportWindow)
    for name in model.model_fields
)


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer of the application."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Body on which the service and the oracle differ."""

    body: bytes
    difference: str

    def __str__(self) -> str:
        return f"{self.difference}\n    body: {self.body[:500]!r}"


@dataclass
class Outcome:
    """Result of comparing many bodies.

    Attributes
    ----------
    statuses
        Number of answers by status.
    kinds
        The shortest body of each kind of answer: see `kind`.
    """

    inputs: int = 0
    flights: int = 0
    statuses: dict[int, int] = field(default_factory=dict)
    disagreements: list[Disagreement] = field(default_factory=list)
    kinds: dict[str, bytes] = field(default_factory=dict)

    def add(self, other: Outcome) -> None:
        """Add the result of other bodies."""
        self.inputs += other.inputs
        self.flights += other.flights
        self.disagreements += other.disagreements
        for status, count in other.statuses.items():
            self.statuses[status] = self.statuses.get(status, 0) + count
        for name, body in other.kinds.items():
            if name not in self.kinds or len(body) < len(self.kinds[name]):
                self.kinds[name] = body


class Differential:
    """Comparison of the service with the oracle."""

    def __init__(self, bundle: Bundle) -> None:
        runtime = make_runtime(bundle, tag=MODEL)
        self._application = Application(not_reached, lambda: runtime, Settings())
        self._decision = bundle.predictor.decision
        self._oracle = Oracle(bundle.predictor)

    def run(self, bodies: Sequence[bytes]) -> Outcome:
        """Send all bodies at once and compare every answer."""
        answers = asyncio.run(self._ask(bodies))
        outcome = Outcome(inputs=len(bodies))
        for body, answer, verdict in zip(bodies, answers, self._oracle.judge(bodies), strict=True):
            outcome.statuses[answer.status] = outcome.statuses.get(answer.status, 0) + 1
            if isinstance(verdict.right, Accepted):
                outcome.flights += len(verdict.right.probabilities)
            difference = self._difference(answer, verdict)
            if difference:
                outcome.disagreements.append(Disagreement(body, difference))
            shortest = outcome.kinds.get(name := kind(answer))
            if shortest is None or len(body) < len(shortest):
                outcome.kinds[name] = body
        return outcome

    async def _ask(self, bodies: Sequence[bytes]) -> list[Answer]:
        """Send every other body by the fast path, if the fast path accepts it."""
        calls = [
            ask_directly(self._application.predict_delay, body)
            if place % 2 and 0 < len(body) <= LARGE_BODY
            else ask(self._application, body)
            for place, body in enumerate(bodies)
        ]
        return await asyncio.gather(*calls)

    def _difference(self, answer: Answer, verdict: Verdict) -> str:
        """Return a description of the difference; empty if there is none."""
        if verdict.or_not_json and answer.status == 400:
            return _wrong_problem(answer, Rejected(NOT_JSON))
        if isinstance(verdict.right, Rejected):
            return _wrong_problem(answer, verdict.right)
        if answer.status != 200:
            return f"should be answered, got {answer.status}: {answer.body[:300]!r}"
        return self._wrong_answer(answer, verdict.right)

    def _wrong_answer(self, answer: Answer, verdict: Accepted) -> str:
        try:
            response = PredictionResponse.model_validate_json(answer.body)
        except ValidationError as error:
            return f"the answer does not follow the contract: {error}"
        if response.model != MODEL or len(response.predictions) != len(verdict.probabilities):
            return f"names {response.model} and has {len(response.predictions)} predictions"
        rows = zip(response.predictions, verdict.probabilities, verdict.unknown, strict=True)
        for place, (said, probability, unknown) in enumerate(rows):
            wrong = self._wrong_prediction(said, probability) or (
                said.unknown != unknown and f"unknown {said.unknown}, not {unknown}"
            )
            if wrong or (said.explanation is not None) != verdict.request.explain:
                return f"flight {place}: {wrong or 'explained, or not, against the request'}"
        return ""

    def _wrong_prediction(self, said: Any, probability: float) -> str:
        if abs(said.probability - probability) > TOLERANCE:
            return f"probability {said.probability!r}, not {probability!r}"
        if said.delayed != (said.probability >= self._decision.threshold):
            return f"delayed {said.delayed} at {said.probability}"
        band = sum(bound <= said.probability for bound in self._decision.bounds)
        if said.risk != ("low", "moderate", "elevated", "high")[band]:
            return f"risk {said.risk} at {said.probability}"
        if said.explanation is not None:
            total = said.explanation.base + sum(c.change for c in said.explanation.contributions)
            if abs(total - said.probability) > TOLERANCE:
                return f"the explanation adds up to {total}, not {said.probability}"
        return ""


def _wrong_problem(answer: Answer, verdict: Rejected) -> str:
    if answer.status not in verdict.statuses:
        return f"should be refused with {sorted(verdict.statuses)}, got {answer.status}"
    if answer.headers.get(b"content-type") != b"application/problem+json":
        return f"the problem is of type {answer.headers.get(b'content-type')!r}"
    try:
        problem = Problem.model_validate_json(answer.body)
    except ValidationError as error:
        return f"the body is not a problem document: {error}"
    if problem.status != answer.status:
        return f"the document says {problem.status}, the answer {answer.status}"
    if verdict.pointers is None or answer.status != 422:
        return ""
    named = {(each.pointer, each.flight) for each in problem.errors or []}
    few = len(verdict.pointers) <= LISTED_ERRORS
    right = named == verdict.pointers if few else bool(named) and named <= verdict.pointers
    return "" if right else f"names {sorted(named)}, not {sorted(verdict.pointers)[:LISTED_ERRORS]}"


def kind(answer: Answer) -> str:
    """Return the kind of an answer, so that one body of each kind can be kept."""
    document = json.loads(answer.body)
    if answer.status == 200:
        first = document["predictions"][0]
        shape = (first["risk"], first["unknown"], "explanation" in first)
        return f"200 {min(len(document['predictions']), 3)} {shape}"
    errors = document.get("errors") or [{"pointer": "", "detail": document["detail"]}]
    place = re.sub(r"[^/]+", _known_name, errors[0]["pointer"])
    return f"{answer.status} {min(len(errors), 2)} {place} {_bare(errors[0]['detail'])}"


def _known_name(part: re.Match[str]) -> str:
    return part[0] if part[0] in NAMES else "#"


def _bare(text: str) -> str:
    """Return a text without its numbers and quotations."""
    return re.sub(r"[0-9]+|'[^']*'|[^\x20-\x7e]+", "#", text)[:80]


async def ask(application: ASGIApp, body: bytes) -> Answer:
    """Send one body to the ASGI application, without a socket."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST",
        "scheme": "http", "path": "/predict_delay", "raw_path": b"/predict_delay",
        "query_string": b"", "root_path": "", "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2), "headers": [(b"content-type", b"application/json")],
    }  # fmt: skip
    await application(scope, receive, send)
    start, *parts = sent
    return Answer(start["status"], dict(start["headers"]), b"".join(p["body"] for p in parts))


async def ask_directly(predict: PredictDelay, body: bytes) -> Answer:
    """Send one body by the fast path, as the server's protocol does."""
    answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def reply(status: int, body: bytes, headers: Headers) -> None:
        answer.set_result(Answer(status, dict(headers), body))

    predict.submit(body, None, reply, [])
    return await answer


def read_corpus() -> list[bytes]:
    """Read every kept body."""
    return [body for path in sorted(CORPUS.glob("*.jsonl")) for body in read_lines(path)]


def read_lines(path: Path) -> list[bytes]:
    """Read bodies, one JSON string per line whose characters are bytes (Latin-1)."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line).encode("latin-1") for line in lines]


def write_lines(path: Path, bodies: Iterable[bytes]) -> None:
    """Write bodies up to `LONGEST_KEPT` bytes, the shortest first."""
    short = sorted({b for b in bodies if len(b) <= LONGEST_KEPT}, key=lambda b: (len(b), b))
    path.write_text("".join(json.dumps(b.decode("latin-1")) + "\n" for b in short))
