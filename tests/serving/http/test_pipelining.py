"""Requests that are sent before the answers to those before them are there."""

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
from tests.support.sockets import (
    BODY,
    BROKEN,
    CHUNKED,
    LARGE,
    Server,
    ask,
    read_answer,
    request,
    run,
    serving,
    until,
)
from tests.support.sockets import runtime as runtime  # noqa: PLC0414 - a fixture

SHORTEST = b"GET /livez HTTP/1.1\r\nhost:\r\n\r\n"

Answer = tuple[int, int]
"""Status, and predictions."""
KINDS: list[tuple[bytes, Answer]] = [
    (request(), (200, 1)),
    (request(json.dumps({"flights": [EXAMPLE_FLIGHT] * 200}).encode()), (200, 200)),
    (request(LARGE), (200, 1_000)),
    (CHUNKED + b"%x\r\n%b\r\n0\r\nx: y\r\n\r\n" % (len(BODY), BODY), (200, 1)),
    (request(BROKEN), (422, 0)),
    (request().replace(b"/predict_delay", b"/nothing"), (404, 0)),
]


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many requests waited on a connection, each time after some were read."""
    counts: list[int] = []
    parse_pending = FastPathProtocol._parse_pending

    def spy(self: FastPathProtocol) -> None:
        parse_pending(self)
        counts.append(len(self.pipeline))

    monkeypatch.setattr(FastPathProtocol, "_parse_pending", spy)
    return counts


def test_of_thousands_few_wait(runtime: Runtime, waiting: list[int]) -> None:
    """All are answered, and only some are taken in at a time, however many were sent."""
    count = 10_000

    async def test(server: Server) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(SHORTEST * count)
        for _ in range(count):
            assert (await reader.readuntil(b"alive\n")).startswith(b"HTTP/1.1 200")
        writer.write(request())
        assert (await read_answer(reader))[0] == 200
        writer.close()

    run(test, runtime)
    assert MAX_PIPELINED <= max(waiting) < MAX_PIPELINED + HEAD_PIECE // len(SHORTEST)
    assert len(waiting) > count / max(waiting)


@pytest.mark.parametrize("seed", range(6))
def test_all_kinds_are_answered_in_order(runtime: Runtime, seed: int) -> None:
    """Whatever follows whatever, cut wherever the network cuts it."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    chosen = chance.choices(KINDS, [9, 3, 1, 3, 3, 9], k=60)
    sent = b"".join(each for each, _ in chosen)
    cuts = sorted(chance.sample(range(len(sent)), 40))

    async def test(server: Server) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        asked = asyncio.create_task(write(writer))
        for _, expected in chosen:
            status, _, body = await read_answer(reader)
            assert (status, len(body.get("predictions", []))) == expected
        await asked
        writer.close()

    async def write(writer: asyncio.StreamWriter) -> None:
        for start, stop in zip([0, *cuts], [*cuts, len(sent)], strict=True):
            writer.write(sent[start:stop])
            await asyncio.sleep(chance.choice([0, 0, 0.001, 0.01]))

    run(test, runtime)


def test_what_is_not_http_ends_it_after_the_answers(runtime: Runtime) -> None:
    """Thousands of requests and then nonsense: each gets its answer, and the nonsense one too."""
    count = 1_000

    async def test(server: Server) -> None:
        answers = await ask(
            server.port, request(BROKEN) * count + b"nonsense\r\n\r\n", *[b""] * count
        )
        assert [status for status, _, _ in answers] == [422] * count + [400]

    run(test, runtime)


ASGI_REQUEST = request(headers="connection: Keep-Alive\r\n")
CHUNKS = CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
LIVE = b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n"
LOOPS = [pytest.param(asyncio.run, id="asyncio"), pytest.param(uvloop.run, id="uvloop")]


async def answers(port: int, sent: bytes, more: bytes = b"") -> list[int]:
    """Send all, end, and read statuses until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    if more:
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.write(more)
    writer.write_eof()
    found = []
    while head := await asyncio.wait_for(reader.readline(), 20):
        found.append(int(head.split()[1]))
        rest = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(rest.split(b"content-length: ")[1].split(b"\r\n")[0]))
    writer.close()
    return found


def serve(loop: Any, runtime: Runtime, test: Any) -> None:
    """Run a test against a server on an event loop of this kind."""

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
        (LIVE, [200]),
        (request(BROKEN), [422]),
        (request(LARGE), [200]),
        (request() * 7 + ASGI_REQUEST + request(BROKEN) + LIVE, [200] * 8 + [422, 200]),
        (request(LARGE) * 3 + request(), [200] * 4),
        (LIVE * 2_000, [200] * 2_000),
        (request() + b"nonsense\r\n\r\n", [200, 400]),
        (request() + LIVE + request()[:-1], [200, 200]),
        (request(LARGE) + ASGI_REQUEST + CHUNKS[:-2], [200, 200]),
        (LIVE + LIVE[:-2], [200]),
        (request()[:-1], []),
        (CHUNKS[:-2], []),
        (LIVE[:5], []),
        (b"", []),
    ],
)  # fmt: skip
def test_what_was_sent_whole_is_answered(
    runtime: Runtime, loop: Any, sent: bytes, expected: list[int]
) -> None:
    """Every whole request gets its answer, what is cut short none, and the connection ends."""

    async def test(server: Server) -> None:
        for _ in range(5):
            assert await answers(server.port, sent) == expected
            half = len(sent) // 2
            assert await answers(server.port, sent[:half], sent[half:]) == expected

    serve(loop, runtime, test)


@pytest.mark.parametrize("loop", LOOPS)
def test_the_end_may_come_long_before_the_answer(runtime: Runtime, loop: Any) -> None:
    """A request that still waits for the model when the client ends is answered."""

    async def test(server: Server) -> None:
        server.engine._scheduled = True  # nobody scores for the moment
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(request() * 2)
        await until(lambda: server.engine.waiting > 0)
        writer.write_eof()
        await asyncio.sleep(0.3)
        server.engine._scheduled = False
        server.engine._schedule()
        assert [(await read_answer(reader))[0] for _ in range(2)] == [200, 200]
        assert await reader.read() == b""
        writer.close()

    serve(loop, runtime, test)
