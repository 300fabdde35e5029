"""A server that stops: what is on its way is answered, and told that it is the last."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest
import uvicorn

from serving import protocol
from serving.house import House
from serving.protocol import ShortWayProtocol

REQUEST = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n"


async def hello(_scope: Any, _receive: Any, send: Any) -> None:
    """Answer everything."""
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"hi"})


async def stopping_server(
    asked: int,
) -> tuple[uvicorn.Server, asyncio.Task[None], list[tuple[asyncio.StreamReader, Any]]]:
    """A server with that many idle connections, each answered once, that is told to stop."""
    config = uvicorn.Config(hello, port=0, lifespan="off", log_config=None)
    config.load()
    house = House(None, None, 10**6, 100, 30.0, 30.0)
    config.http_protocol_class = partial(ShortWayProtocol, house)  # type: ignore[assignment] # as `install` does
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn offers no event
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(asked)]
    for reader, writer in connections:
        writer.write(REQUEST)
        assert b"connection: close" not in await reader.readuntil(b"hi")
    server.should_exit = True
    while server.servers[0].is_serving():  # noqa: ASYNC110 - nor for the end
        await asyncio.sleep(0.01)
    return server, running, connections


def test_a_request_on_its_way_when_the_server_stops_is_answered() -> None:
    """A connection that was idle at that moment gets its answer, which is said to be the last."""

    async def run() -> bytes:
        _, running, [(reader, writer)] = await stopping_server(1)
        writer.write(REQUEST)
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
        await asyncio.wait_for(running, 5)
        for _, writer in connections:
            writer.close()
        return ends

    assert asyncio.run(run()) == [b""] * 3
