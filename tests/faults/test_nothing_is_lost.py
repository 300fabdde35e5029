"""Every accepted request gets exactly one response, and the right one."""

from __future__ import annotations

import asyncio
import random
import time

import pytest

from tests.faults.conftest import Figure, Truth, port_of, works
from tests.support.http_client import HANGS, JSON, read_response, request
from tests.support.server import Server

pytestmark = pytest.mark.server

CLIENTS, EACH = 64, 40


def test_every_answer_is_its_own(service: Server, truth: Truth, figure: Figure) -> None:
    """Clients that pipeline, pause and disconnect: each that stays gets its own responses."""
    counts = {"asked": 0, "answered": 0, "wrong": 0, "left": 0}

    async def client(number: int) -> None:
        rng = random.Random(number)  # noqa: S311 - a seeded choice
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(service))
        leaves = number % 4 == 0
        for turn in range(EACH):
            asked = [rng.randrange(2_000) for _ in range(rng.choice((1, 1, 1, 4)))]
            sent = b"".join(request(truth.bodies[each]) for each in asked)
            if leaves and turn == EACH // 2:
                writer.write(sent[: rng.randrange(len(sent))])
                counts["left"] += 1
                writer.transport.abort()
                return
            cut = rng.randrange(len(sent))
            writer.write(sent[:cut])
            await asyncio.sleep(rng.choice((0, 0, 0.002)))
            writer.write(sent[cut:])
            counts["asked"] += len(asked)
            for each in asked:
                status, _, answer = await read_response(reader)
                counts["answered"] += status == 200
                counts["wrong"] += not truth.fits(each, answer)
        await _nothing_more(reader)
        writer.close()

    async def run() -> None:
        async with asyncio.timeout(120):
            await asyncio.gather(*map(client, range(CLIENTS)))

    asyncio.run(run())
    figure(**counts)
    assert counts["answered"] == counts["asked"]
    assert counts["wrong"] == 0
    assert counts["left"] == CLIENTS // 4
    assert works(service)


def test_late_work_is_refused_in_time(service: Server, truth: Truth, figure: Figure) -> None:
    """Each request with a deadline gets either its response or a 504."""

    async def ask(number: int, within: int) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(service))
        writer.write(request(truth.bodies[number], f"{JSON}x-request-timeout-ms: {within}\r\n"))
        status, _, answer = await read_response(reader)
        assert status == 504 or truth.fits(number, answer)
        await _nothing_more(reader)
        writer.close()
        return status

    async def run() -> list[int]:
        async with asyncio.timeout(HANGS):
            return await asyncio.gather(
                *(ask(number, 1 if number % 2 else 1_000 * round(HANGS)) for number in range(400))
            )

    started = time.monotonic()
    statuses = asyncio.run(run())
    seconds = round(time.monotonic() - started, 2)
    figure(asked=400, in_time=statuses.count(200), late=statuses.count(504), seconds=seconds)
    assert set(statuses) <= {200, 504}
    assert statuses[0::2].count(200) == 200


async def _nothing_more(reader: asyncio.StreamReader) -> None:
    """Check that no second response follows."""
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.2)
