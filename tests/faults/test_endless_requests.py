"""Requests without end: each is refused and disconnected, at any speed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import pytest

from tests.faults.conftest import HANGS, READ_SECONDS, Figure, memory_mb, port_of, works
from tests.support.server import Server

pytestmark = pytest.mark.server

MOST = 50_000_000
"""Bytes that a client tries to send."""
READ_AHEAD = MOST // 2
"""Most of them that may be sent before the response arrives: twice the largest body, which the
service reads with its framing, and the buffers of both sockets."""
GROWTH_MB = 20
SWEEP_SECONDS = 3
"""Longest time between the timeout and the end of a slow connection."""

FIRST = b"POST /predict_delay HTTP/1.1\r\nhost: x\r\n"
CHUNKED = FIRST + b"transfer-encoding: chunked\r\n\r\n"


@dataclass(frozen=True)
class Endless:
    """Request without end: its start, the bytes that are repeated, the status of its response."""

    name: str
    start: bytes
    more: bytes
    status: int

    def __str__(self) -> str:
        return self.name


FAST: Sequence[Endless] = [
    Endless(
        "a body that is said to have 50 MB",
        FIRST + b"content-length: 50000000\r\n\r\n",
        b" " * 100_000,
        413,
    ),
    Endless("large chunks", CHUNKED, b"%x\r\n%b\r\n" % (100_000, b" " * 100_000), 413),
    Endless("chunks of one byte", CHUNKED, b"1\r\n \r\n" * 10_000, 413),
    Endless("the extension of a chunk", CHUNKED + b"1;", b"e" * 100_000, 413),
    Endless("trailers", CHUNKED + b"0\r\n", b"x-trailer: y\r\n" * 5_000, 413),
    Endless("headers", FIRST, b"x-header: y\r\n" * 5_000, 431),
    Endless("short headers", FIRST, b"a:b\r\n" * 200, 431),
    Endless("one header", FIRST + b"x-header: ", b"y" * 100_000, 431),
    Endless("the path", b"POST /", b"a" * 100_000, 431),
]
SLOW: Sequence[Endless] = [
    Endless("the path", b"POST /", b"a", 408),
    Endless("headers", FIRST, b"x: y\r\n", 408),
    Endless("a body", FIRST + b"content-length: 50000\r\n\r\n", b" ", 408),
    Endless("chunks", CHUNKED, b"1\r\n \r\n", 408),
    Endless("trailers", CHUNKED + b"0\r\n", b"x: y\r\n", 408),
]


async def send_on(port: int, endless: Endless, pause: float = 0.0) -> tuple[int, int, float]:
    """Send until a response arrives; return its status, the bytes sent, and the seconds."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    started = time.monotonic()
    said = asyncio.ensure_future(reader.readuntil(b"\r\n"))
    writer.write(endless.start)
    sent = len(endless.start)
    try:
        while sent < MOST and not said.done():
            writer.write(endless.more)
            await asyncio.gather(writer.drain(), asyncio.sleep(pause))
            sent += len(endless.more)
        line = await asyncio.wait_for(said, HANGS)
        await asyncio.wait_for(reader.read(), HANGS)
    finally:
        writer.close()
    return int(line.split()[1]), sent, time.monotonic() - started


@pytest.mark.parametrize("endless", FAST, ids=str)
def test_endless_requests_are_refused(service: Server, figure: Figure, endless: Endless) -> None:
    """A request of 50 MB in any of its parts is refused long before it is sent, and not stored."""
    before = memory_mb(service)
    status, sent, seconds = asyncio.run(send_on(port_of(service), endless))
    growth = memory_mb(service) - before
    figure(
        of=endless.name,
        status=status,
        sent_mb=round(sent / 1e6, 1),
        cut_after_seconds=round(seconds, 1),
        memory_growth_mb=round(growth, 1),
    )
    assert status == endless.status
    assert sent <= READ_AHEAD
    assert growth < GROWTH_MB
    assert works(service)


@pytest.mark.parametrize("endless", SLOW, ids=str)
def test_slow_requests_are_disconnected(service: Server, figure: Figure, endless: Endless) -> None:
    """A request that arrives slowly is refused when its time is over."""
    status, sent, seconds = asyncio.run(send_on(port_of(service), endless, pause=0.05))
    figure(of=endless.name, status=status, sent_bytes=sent, cut_after_seconds=round(seconds, 1))
    assert status == endless.status
    assert READ_SECONDS - 1 < seconds < READ_SECONDS + 30
    assert works(service)


async def _read_all(reader: asyncio.StreamReader) -> None:
    while await reader.read(65_536):
        pass


FLOODERS = 20
FLOOD_SECONDS = 3.0
FLOOD_GROWTH_MB = 40
FLOOD = b"GET /livez HTTP/1.1\r\nhost:\r\n\r\n" * 20_000


@pytest.mark.parametrize("reads", [False, True])
def test_pipelined_floods_are_parsed_in_small_parts(
    service: Server, figure: Figure, *, reads: bool
) -> None:
    """Endless requests on one connection are parsed in small parts, read or unread."""
    before = memory_mb(service)

    async def flood() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(service))
        answers = asyncio.ensure_future(_read_all(reader) if reads else asyncio.sleep(0))
        ended = time.monotonic() + FLOOD_SECONDS
        sent = 0
        while time.monotonic() < ended:
            writer.write(FLOOD)
            sent += len(FLOOD)
            with suppress(TimeoutError):
                await asyncio.wait_for(writer.drain(), ended - time.monotonic())
        answers.cancel()
        writer.transport.abort()
        return sent

    async def run() -> tuple[int, float, float]:
        floods = [asyncio.create_task(flood()) for _ in range(FLOODERS)]
        peak, worst = before, 0.0
        while not all(each.done() for each in floods):
            started = time.monotonic()
            assert await asyncio.to_thread(works, service)
            worst = max(worst, time.monotonic() - started)
            peak = max(peak, memory_mb(service))
            await asyncio.sleep(0.1)
        return sum([await each for each in floods]), peak, worst

    sent, peak, worst = asyncio.run(run())
    figure(
        connections=FLOODERS,
        answers_read=reads,
        sent_mb=round(sent / 1e6, 1),
        memory_growth_mb=round(peak - before, 1),
        others_worst_ms=round(worst * 1e3),
    )
    assert peak - before < FLOOD_GROWTH_MB
    assert works(service)
