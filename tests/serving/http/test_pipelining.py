"""Pipelined requests, and clients that half-close after their requests and read on."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import pytest
import uvloop

from serving.contract.schema import EXAMPLE_FLIGHT
from serving.http.protocol import HEAD_PIECE, MAX_PIPELINED, FastPathProtocol
from serving.models.loaded import Runtime
from tests.support.http_client import (
    BODY,
    GET_LIVEZ,
    ask,
    chunked,
    read_response,
    request,
    statuses,
)
from tests.support.sockets import BROKEN, CHUNKED, LARGE, Server, run, serving, until
from tests.support.sockets import runtime as runtime  # noqa: PLC0414 - a fixture

SHORTEST = b"GET /livez HTTP/1.1\r\nhost:\r\n\r\n"

Answer = tuple[int, int]
"""Status, and number of predictions."""
KINDS: list[tuple[bytes, Answer]] = [
    (request(), (200, 1)),
    (request(json.dumps({"flights": [EXAMPLE_FLIGHT] * 200}).encode()), (200, 200)),
    (request(LARGE), (200, 1_000)),
    (CHUNKED + chunked(BODY, b"x: y\r\n"), (200, 1)),
    (request(BROKEN), (422, 0)),
    (request().replace(b"/predict_delay", b"/nothing"), (404, 0)),
]


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the number of waiting requests after each parse."""
    counts: list[int] = []
    parse_pending = FastPathProtocol._parse_pending

    def spy(self: FastPathProtocol) -> None:
        parse_pending(self)
        counts.append(len(self.pipeline))

    monkeypatch.setattr(FastPathProtocol, "_parse_pending", spy)
    return counts


def test_few_of_thousands_of_requests_wait(runtime: Runtime, waiting: list[int]) -> None:
    """All are answered, and few are parsed ahead, however many were sent."""
    count = 10_000

    async def test(server: Server) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(SHORTEST * count)
        for _ in range(count):
            assert (await reader.readuntil(b"alive\n")).startswith(b"HTTP/1.1 200")
        writer.write(request())
        assert (await read_response(reader))[0] == 200
        writer.close()

    run(test, runtime)
    assert MAX_PIPELINED <= max(waiting) < MAX_PIPELINED + HEAD_PIECE // len(SHORTEST)
    assert len(waiting) > count / max(waiting)


@pytest.mark.parametrize("seed", range(6))
def test_all_kinds_are_answered_in_order(runtime: Runtime, seed: int) -> None:
    """Any sequence of requests, split at any place, gets its responses in order."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    chosen = chance.choices(KINDS, [9, 3, 1, 3, 3, 9], k=60)
    sent = b"".join(each for each, _ in chosen)
    cuts = sorted(chance.sample(range(len(sent)), 40))

    async def test(server: Server) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        asked = asyncio.create_task(write(writer))
        for _, expected in chosen:
            status, _, body = await read_response(reader)
            assert (status, len(body.get("predictions", []))) == expected
        await asked
        writer.close()

    async def write(writer: asyncio.StreamWriter) -> None:
        for start, stop in zip([0, *cuts], [*cuts, len(sent)], strict=True):
            writer.write(sent[start:stop])
            await asyncio.sleep(chance.choice([0, 0, 0.001, 0.01]))

    run(test, runtime)


def test_invalid_http_is_refused_after_the_answers(runtime: Runtime) -> None:
    """A thousand requests get their responses, then the invalid bytes get 400."""
    count = 1_000

    async def test(server: Server) -> None:
        answers = await ask(
            server.port, request(BROKEN) * count + b"nonsense\r\n\r\n", *[b""] * count
        )
        assert [status for status, _, _ in answers] == [422] * count + [400]

    run(test, runtime)


ASGI_REQUEST = request(headers="connection: Keep-Alive\r\n")
CHUNKS = CHUNKED + chunked(BODY)
LOOPS = [pytest.param(asyncio.run, id="asyncio"), pytest.param(uvloop.run, id="uvloop")]


def serve(loop: Any, runtime: Runtime, test: Any) -> None:
    """Run a test against a server on the given event loop."""

    async def main() -> None:
        async with serving(runtime, None) as server:
            await asyncio.wait_for(test(server), 60)

    loop(main())


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (request(), [200]),
        (ASGI_REQUEST, [200]),
        (CHUNKS, [200]),
        (GET_LIVEZ, [200]),
        (request(BROKEN), [422]),
        (request(LARGE), [200]),
        (request() * 7 + ASGI_REQUEST + request(BROKEN) + GET_LIVEZ, [200] * 8 + [422, 200]),
        (request(LARGE) * 3 + request(), [200] * 4),
        (GET_LIVEZ * 2_000, [200] * 2_000),
        (request() + b"nonsense\r\n\r\n", [200, 400]),
        (request() + GET_LIVEZ + request()[:-1], [200, 200]),
        (request(LARGE) + ASGI_REQUEST + CHUNKS[:-2], [200, 200]),
        (GET_LIVEZ + GET_LIVEZ[:-2], [200]),
        (request()[:-1], []),
        (CHUNKS[:-2], []),
        (GET_LIVEZ[:5], []),
        (b"", []),
    ],
)  # fmt: skip
def test_complete_requests_are_answered_after_a_half_close(
    runtime: Runtime, loop: Any, sent: bytes, expected: list[int]
) -> None:
    """Complete requests get responses, an incomplete one gets none, and the connection closes."""

    async def test(server: Server) -> None:
        for _ in range(5):
            assert await statuses(server.port, sent, half_close=True) == expected
            half = len(sent) // 2
            found = await statuses(server.port, sent[:half], sent[half:], half_close=True)
            assert found == expected

    serve(loop, runtime, test)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_half_close_may_come_long_before_the_response(runtime: Runtime, loop: Any) -> None:
    """A request that waits for the model when the client half-closes is answered."""

    async def test(server: Server) -> None:
        server.engine._scheduled = True  # nobody scores for the moment
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(request() * 2)
        await until(lambda: server.engine.waiting > 0)
        writer.write_eof()
        await asyncio.sleep(0.3)
        server.engine._scheduled = False
        server.engine._schedule()
        assert [(await read_response(reader))[0] for _ in range(2)] == [200, 200]
        assert await reader.read() == b""
        writer.close()

    serve(loop, runtime, test)
