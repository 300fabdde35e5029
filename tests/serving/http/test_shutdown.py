"""A server that stops: what is on its way is answered, and told that it is the last."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import uvicorn

from serving.http import protocol
from tests.support.sockets import HELLO, saying_hello, until


async def stopping_server(
    asked: int,
) -> tuple[uvicorn.Server, asyncio.Task[None], list[tuple[asyncio.StreamReader, Any]]]:
    """A server with that many idle connections, each answered once, that is told to stop."""
    server, _ = saying_hello(uvicorn.Server)
    running = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(asked)]
    for reader, writer in connections:
        writer.write(HELLO)
        assert b"connection: close" not in await reader.readuntil(b"hi")
    server.should_exit = True
    await until(lambda: not server.servers[0].is_serving())
    return server, running, connections


def test_a_request_on_its_way_when_the_server_stops_is_answered() -> None:
    """A connection that was idle at that moment gets its answer, which is said to be the last."""

    async def run() -> bytes:
        _, running, [(reader, writer)] = await stopping_server(1)
        writer.write(HELLO)
        answer = await reader.read()
        await running
        writer.close()
        return answer

    answer = asyncio.run(run())
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in answer
    assert answer.endswith(b"hi")


def test_idle_connections_do_not_keep_a_stopping_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are closed after a moment."""
    monkeypatch.setattr(protocol, "LAST_REQUEST_SECONDS", 0.05)

    async def run() -> list[bytes]:
        _, running, connections = await stopping_server(3)
        ends = [await reader.read() for reader, _ in connections]
        await asyncio.wait_for(running, 60)
        for _, writer in connections:
            writer.close()
        return ends

    assert asyncio.run(run()) == [b""] * 3
