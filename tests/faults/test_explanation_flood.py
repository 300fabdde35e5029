"""Many simultaneous requests for explanations: single flights are still served."""

from __future__ import annotations

import asyncio
import json
from collections import Counter

import pytest

from serving.contract.schema import EXAMPLE_FLIGHT
from tests.faults.conftest import port_of
from tests.support.http_client import Response, ask, request
from tests.support.server import PROJECT, Server

pytestmark = pytest.mark.server

CONNECTIONS = 100
SINGLES = 20
EXPLAINED = json.dumps({"flights": [EXAMPLE_FLIGHT] * 250, "explain": True}).encode()
"""Some 32 KB."""


async def _explain_until(port: int, over: asyncio.Event, responses: list[Response]) -> None:
    while not over.is_set():
        responses += await ask(port, request(EXPLAINED))
        await asyncio.sleep(1)  # as Retry-After asks


def test_plain_flights_are_served_while_many_ask_for_explanations(server: Server) -> None:
    """Single flights are never refused; explanations get 200, or 503 with Retry-After."""
    port = port_of(server)
    single = request((PROJECT / "tests" / "request.json").read_bytes())

    async def run() -> tuple[Counter[int], list[Response]]:
        over, responses = asyncio.Event(), list[Response]()
        async with asyncio.timeout(240), asyncio.TaskGroup() as clients:
            for _ in range(CONNECTIONS):
                clients.create_task(_explain_until(port, over, responses))
            await asyncio.sleep(0.5)
            singles: Counter[int] = Counter()
            for _ in range(SINGLES):
                singles[(await ask(port, single))[0].status] += 1
                await asyncio.sleep(0.02)
            over.set()
        return singles, responses

    singles, responses = asyncio.run(run())
    assert singles == {200: SINGLES}
    assert {each.status for each in responses} == {200, 503}
    refused = [each for each in responses if each.status == 503]
    assert {each.headers["retry-after"] for each in refused} == {"1"}
