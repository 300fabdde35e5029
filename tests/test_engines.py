"""Three engines, one contract: the same answers and errors to thousands of requests."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import pandas as pd
import pytest

from model.inference.bundle import Bundle
from serving.api.application import Application
from serving.batching.engines import Unbatched, score_batch
from serving.settings import Batching, Settings
from tests.support.runtime import make_runtime, not_reached
from tests.support.server import Server
from tests.test_service import STATE, TIMEOUT, as_json

pytestmark = pytest.mark.server

REQUESTS = 2_400
CONNECTIONS = 64

Body = dict[str, Any]
Breaker = Callable[[Body, random.Random], bytes]


def _field(name: str, *values: Any) -> Breaker:
    """Return a function that puts an invalid value into a field of one flight."""

    def broken(body: Body, rng: random.Random) -> bytes:
        rng.choice(body["flights"])[name] = rng.choice(values)
        return json.dumps(body).encode()

    return broken


def _truncated(body: Body, rng: random.Random) -> bytes:
    text = json.dumps(body).encode()
    return text[: rng.randrange(len(text))]


def _scrambled(body: Body, rng: random.Random) -> bytes:
    text = bytearray(json.dumps(body).encode())
    for _ in range(3):
        text[rng.randrange(len(text))] = rng.randrange(256)
    return bytes(text)


def _doubled(body: Body, rng: random.Random) -> bytes:
    """Write one key twice; the last one counts."""
    text = json.dumps(body)
    return text.replace("{", f'{{"explain": {rng.choice(["true", "1"])}, ', 1).encode()


def _incomplete(body: Body, rng: random.Random) -> bytes:
    flight = rng.choice(body["flights"])
    del flight[rng.choice(sorted(flight))]
    return json.dumps(body).encode()


BREAKERS: tuple[Breaker, ...] = (
    _truncated,
    _scrambled,
    _doubled,
    _incomplete,
    _field("airline", "lan", "", "LANX", None, 7, "L\u00c1N", "\ud800", ["LAN"]),
    _field("destination", "SCF", "scfa", True, {"code": "SCFA"}, "SC\u0000A"),
    _field("flight_number", 120, "12O", "-1", "999999", "", 1e400),
    _field("scheduled_departure", "2017-02-29T10:00", "noon", 0, None, "2017-07-14T25:00", "2051"),
    _field("flight_type", "X", "n", 1, ""),
    _field("delay_minutes", 0, 99),
)


def requests(frame: pd.DataFrame) -> list[bytes]:
    """Return requests of every kind with real flights, a third of them invalid."""
    rng = random.Random(11)  # noqa: S311 - the same requests every time are what is wanted
    rows = as_json(frame.sample(4 * REQUESTS, random_state=2, replace=True))
    bodies = []
    for number in range(REQUESTS):
        size = rng.choice((1, 1, 1, 1, 2, 5))
        body: Body = {"flights": [dict(row) for row in rows[4 * number : 4 * number + size]]}
        if rng.random() < 0.1:
            body["flights"][0]["airline"] = "ZZZ"
        if rng.random() < 0.15:
            body["airport_state"] = STATE
        if rng.random() < 0.05:
            body["explain"] = True
        breaker = rng.choice(BREAKERS) if number % 3 == 0 else None
        bodies.append(breaker(body, rng) if breaker else json.dumps(body).encode())
    return bodies


async def post_all(client: httpx.AsyncClient, bodies: list[bytes]) -> list[httpx.Response]:
    """Send all bodies on `CONNECTIONS` connections; return the answers in their order."""
    gate = asyncio.Semaphore(CONNECTIONS)
    headers = {"content-type": "application/json"}

    async def post(body: bytes) -> httpx.Response:
        async with gate:
            return await client.post("/predict_delay", content=body, headers=headers)

    return await asyncio.gather(*map(post, bodies))


@pytest.fixture(scope="module")
def bodies(frame: pd.DataFrame) -> list[bytes]:
    """Return the bodies that are sent to every engine."""
    return requests(frame)


@pytest.fixture(scope="module")
def expected(bodies: list[bytes], bundle: Bundle) -> list[tuple[int, Any]]:
    """Return status and document of each, without server, sockets or batching."""
    settings = Settings(batching=Batching.OFF)
    engine = Unbatched(partial(score_batch, bundle.predictor), settings.max_batch)
    runtime = make_runtime(bundle, settings, engine=engine)
    application = Application(not_reached, lambda: runtime, settings)

    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=application)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return await post_all(client, bodies)

    return [(answer.status_code, answer.json()) for answer in asyncio.run(ask())]


def test_the_requests_cover_answers_and_errors(expected: list[tuple[int, Any]]) -> None:
    """More than half of them are answered, and hundreds get 400 or 422."""
    statuses = [status for status, _ in expected]
    assert set(statuses) == {200, 400, 422}
    assert statuses.count(200) > REQUESTS / 2
    assert min(statuses.count(400), statuses.count(422)) > 100


def test_every_engine_gives_the_same_answers(
    server: Server, bodies: list[bytes], expected: list[tuple[int, Any]]
) -> None:
    """At 64 connections each request gets its own status, scores or problem document."""

    async def ask() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=CONNECTIONS)
        async with httpx.AsyncClient(base_url=server.url, limits=limits, timeout=TIMEOUT) as client:
            return await post_all(client, bodies)

    for answer, (status, document) in zip(asyncio.run(ask()), expected, strict=True):
        assert answer.status_code == status
        found = answer.json()
        assert same(found.get("predictions", found), document.get("predictions", document))


def same(found: Any, wanted: Any) -> bool:
    """Return whether two JSON documents are equal, numbers to 1e-9."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        return found.keys() == wanted.keys() and all(same(found[k], wanted[k]) for k in found)
    if isinstance(found, list) and isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(same, found, wanted))
    if isinstance(found, float) and isinstance(wanted, float):
        return abs(found - wanted) < 1e-9
    return bool(found == wanted)
