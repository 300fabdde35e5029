"""Hostile requests and connections: each ends in time, and other clients are served."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import Sequence

import pytest

from serving.contract.schema import EXAMPLE_FLIGHT
from tests.faults.conftest import (
    FULL,
    READ_SECONDS,
    Figure,
    Truth,
    cpu_seconds,
    memory_mb,
    open_files,
    port_of,
    wait_for,
    works,
)
from tests.support.http_client import HANGS, ask, read_response, request
from tests.support.server import Server

pytestmark = pytest.mark.server

FLIGHT = json.dumps(EXAMPLE_FLIGHT)
DEEP = 200_000
HOSTILE: Sequence[tuple[str, bytes, int]] = [
    ("NaN", f'{{"flights": [{FLIGHT}], "explain": NaN}}'.encode(), 422),
    ("Infinity", b'{"flights": Infinity}', 422),
    ("1e400", f'{{"flights": [{FLIGHT}], "explain": 1e400}}'.encode(), 422),
    ("a number of 60,000 digits", b'{"flights": ' + b"9" * 60_000 + b"}", 400),
    ("deep lists", b"[" * 60_000, 400),
    ("deeper lists", b"[" * DEEP + b"]" * DEEP, 400),
    ("deep objects", b'{"flights":' * 5_000 + b"1" + b"}" * 5_000, 400),
    ("duplicate keys", f'{{"flights": 1, "flights": [{FLIGHT}]}}'.encode(), 200),
    ("a lone surrogate", b'{"flights": [{"airline": "\\ud800"}]}', 400),
    ("bytes that are no text", b'{"flights": ["\xff\xfe"]}', 400),
    ("a byte order mark", b"\xef\xbb\xbf" + b'{"flights": []}', 400),
    ("null bytes", b"\x00" * 1_000, 400),
    ("nothing but blanks", b" " * 60_000, 400),
    ("an empty body", b"", 400),
    ("10,001 flights", f'{{"flights": [{", ".join([FLIGHT] * 10_001)}]}}'.encode(), 422),
    ("100,000 unknown keys", json.dumps({str(n): n for n in range(100_000)}).encode(), 422),
]  # fmt: skip


@pytest.mark.parametrize(("name", "body", "status"), HOSTILE, ids=[name for name, *_ in HOSTILE])
def test_hostile_bodies_are_answered(
    service: Server, figure: Figure, name: str, body: bytes, status: int
) -> None:
    """A hostile body gets its response within seconds, and the service goes on."""
    started, cpu = time.monotonic(), cpu_seconds(service)
    [response] = asyncio.run(ask(port_of(service), request(body)))
    seconds, cpu = time.monotonic() - started, cpu_seconds(service) - cpu
    figure(body=name, status=response.status, seconds=round(seconds, 3))
    assert response.status == status
    assert cpu < 5  # CPU time: elapsed time depends on other processes
    assert works(service)


def test_a_compressed_bomb_is_not_opened(service: Server, figure: Figure) -> None:
    """A body that is declared compressed is refused, however small it is."""
    bomb = gzip.compress(b" " * 50_000_000)
    [response] = asyncio.run(ask(port_of(service), request(bomb, "content-encoding: gzip\r\n")))
    figure(compressed_bytes=len(bomb), status=response.status)
    assert response.status == 415
    assert works(service)


def test_slow_clients_do_not_delay_others(service: Server, truth: Truth, figure: Figure) -> None:
    """Hundreds of clients that never finish their request are disconnected; others are served."""
    count = 300

    async def run() -> tuple[float, float]:
        slow = [await asyncio.open_connection("127.0.0.1", port_of(service)) for _ in range(count)]
        started = time.monotonic()
        worst = 0.0
        gone: set[int] = set()
        watchers = [asyncio.ensure_future(reader.read()) for reader, _ in slow]
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(service))
        number = 0
        while len(gone) < count and time.monotonic() - started < READ_SECONDS + HANGS:
            for position, (_, each) in enumerate(slow):
                if watchers[position].done():
                    gone.add(position)
                elif not each.is_closing():
                    each.write(b"POST /predict_delay HTTP/1.1\r\n"[number % 29 : number % 29 + 1])
            asked = time.monotonic()
            writer.write(request(truth.bodies[number % 2_000]))
            status, _, answer = await read_response(reader)
            worst = max(worst, time.monotonic() - asked)
            assert (status, truth.fits(number % 2_000, answer)) == (200, True)
            number += 1
            await asyncio.sleep(0.1)
        for _, each in [*slow, (reader, writer)]:
            each.close()
        await asyncio.gather(*watchers, return_exceptions=True)
        assert len(gone) == count
        return time.monotonic() - started, worst

    seconds, worst = asyncio.run(run())
    figure(
        clients=count, all_cut_after_seconds=round(seconds, 1), others_worst_ms=round(worst * 1e3)
    )
    assert works(service)


def test_many_connections_at_once(service: Server, figure: Figure) -> None:
    """Ten thousand connections that open and close leave no files open and no memory in use."""
    attempts, at_once = (100_000, 1_000) if FULL else (10_000, 500)
    assert works(service)
    handles, memory = open_files(service), memory_mb(service)

    async def connect() -> int:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port_of(service))
        except OSError:
            return 0
        writer.transport.abort()
        return 1

    async def run() -> int:
        opened = 0
        for _ in range(attempts // at_once):
            opened += sum(await asyncio.gather(*(connect() for _ in range(at_once))))
        return opened

    started = time.monotonic()
    opened = asyncio.run(run())
    seconds = time.monotonic() - started
    wait_for(lambda: open_files(service) <= handles + 5)
    growth = memory_mb(service) - memory
    figure(
        attempted=attempts,
        opened=opened,
        seconds=round(seconds, 1),
        memory_growth_mb=round(growth, 1),
    )
    assert opened > 0.99 * attempts
    assert growth < 30
    assert works(service)


def test_clients_that_vanish(service: Server, truth: Truth, figure: Figure) -> None:
    """Thousands of clients that reset after their request leave no open files and no memory."""
    count, at_once = (10_000, 200) if FULL else (3_000, 200)
    assert works(service)
    handles, memory = open_files(service), memory_mb(service)

    async def vanish(number: int) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", port_of(service))
        writer.write(request(truth.bodies[number % 2_000]))
        await asyncio.sleep(0.001 * (number % 3))
        writer.transport.abort()

    async def run() -> None:
        for start in range(0, count, at_once):
            await asyncio.gather(*(vanish(start + n) for n in range(at_once)))

    asyncio.run(run())
    wait_for(lambda: open_files(service) <= handles + 5)
    growth = memory_mb(service) - memory
    figure(
        clients=count, memory_growth_mb=round(growth, 1), handles_left=open_files(service) - handles
    )
    assert growth < 30
    assert works(service)


def test_half_open_connections_are_closed(service: Server, figure: Figure) -> None:
    """Connections without a request are closed after the read timeout."""

    async def run() -> float:
        opened = [await asyncio.open_connection("127.0.0.1", port_of(service)) for _ in range(100)]
        started = time.monotonic()
        for reader, writer in opened:
            assert await asyncio.wait_for(reader.read(), READ_SECONDS + HANGS) == b""
            writer.close()
        return time.monotonic() - started

    seconds = asyncio.run(run())
    figure(connections=100, all_closed_after_seconds=round(seconds, 1))
    assert works(service)
