"""Clients that end their side of the connection after their requests, and read on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import uvloop

from serving.models.loaded import Runtime
from tests.support.sockets import (
    BODY,
    BROKEN,
    CHUNKED,
    LARGE,
    Server,
    read_answer,
    request,
    serving,
    until,
)
from tests.support.sockets import runtime as runtime  # noqa: PLC0414 - a fixture

LONG_WAY = request(headers="connection: Keep-Alive\r\n")
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


def serve(run: Any, runtime: Runtime, test: Any) -> None:
    """Run a test against a server on an event loop of this kind."""

    async def main() -> None:
        async with serving(runtime, None) as server:
            await asyncio.wait_for(test(server), 60)

    run(main())


@pytest.mark.parametrize("run", LOOPS)
@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (request(), [200]),
        (LONG_WAY, [200]),
        (CHUNKS, [200]),
        (LIVE, [200]),
        (request(BROKEN), [422]),
        (request(LARGE), [200]),
        (request() * 7 + LONG_WAY + request(BROKEN) + LIVE, [200] * 8 + [422, 200]),
        (request(LARGE) * 3 + request(), [200] * 4),
        (LIVE * 2_000, [200] * 2_000),
        (request() + b"nonsense\r\n\r\n", [200, 400]),
        (request() + LIVE + request()[:-1], [200, 200]),
        (request(LARGE) + LONG_WAY + CHUNKS[:-2], [200, 200]),
        (LIVE + LIVE[:-2], [200]),
        (request()[:-1], []),
        (CHUNKS[:-2], []),
        (LIVE[:5], []),
        (b"", []),
    ],
)  # fmt: skip
def test_what_was_sent_whole_is_answered(
    runtime: Runtime, run: Any, sent: bytes, expected: list[int]
) -> None:
    """Every whole request gets its answer, what is cut short none, and the connection ends."""

    async def test(server: Server) -> None:
        for _ in range(5):
            assert await answers(server.port, sent) == expected
            half = len(sent) // 2
            assert await answers(server.port, sent[:half], sent[half:]) == expected

    serve(run, runtime, test)


@pytest.mark.parametrize("run", LOOPS)
def test_the_end_may_come_long_before_the_answer(runtime: Runtime, run: Any) -> None:
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

    serve(run, runtime, test)
