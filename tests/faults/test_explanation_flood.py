"""Many clients that ask for explanations at once: whoever asks for a plain flight is served."""

from __future__ import annotations

import asyncio
import json
from collections import Counter

import pytest

from serving.contract.schema import EXAMPLE_FLIGHT
from tests.faults.conftest import http, port_of
from tests.support.server import PROJECT, Server

pytestmark = pytest.mark.server

CONNECTIONS = 100
SINGLES = 20
JSON = "content-type: application/json"
EXPLAINED = json.dumps({"flights": [EXAMPLE_FLIGHT] * 250, "explain": True}).encode()
"""Some 32 KB."""


async def _ask(port: int, sent: bytes) -> tuple[int, str]:
    """Status and head of the answer to a request on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(sent)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        return int(head.split()[1]), head
    finally:
        writer.close()


async def _explain_until(port: int, over: asyncio.Event, told: list[tuple[int, str]]) -> None:
    while not over.is_set():
        told.append(await _ask(port, http(EXPLAINED, JSON)))
        await asyncio.sleep(1)  # as Retry-After asks


def test_plain_flights_are_served_while_many_ask_for_explanations(server: Server) -> None:
    """Single flights are never refused; explanations are made, or refused with Retry-After."""
    port = port_of(server)
    single = http((PROJECT / "tests" / "request.json").read_bytes(), JSON)

    async def run() -> tuple[Counter[int], list[tuple[int, str]]]:
        over, told = asyncio.Event(), list[tuple[int, str]]()
        async with asyncio.timeout(240), asyncio.TaskGroup() as clients:
            for _ in range(CONNECTIONS):
                clients.create_task(_explain_until(port, over, told))
            await asyncio.sleep(0.5)
            singles: Counter[int] = Counter()
            for _ in range(SINGLES):
                singles[(await _ask(port, single))[0]] += 1
                await asyncio.sleep(0.02)
            over.set()
        return singles, told

    singles, told = asyncio.run(run())
    assert singles == {200: SINGLES}
    statuses = Counter(status for status, _ in told)
    assert set(statuses) == {200, 503}
    assert all("retry-after: 1" in head for status, head in told if status == 503)
