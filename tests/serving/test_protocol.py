"""The corked transport: one write per turn of the event loop, nothing lost at the end."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
import uvicorn

from serving import protocol
from serving.protocol import CorkedProtocol, CorkedTransport


class Wire:
    """A transport that notes what is done to it."""

    def __init__(self) -> None:
        self.done: list[bytes | str] = []
        self.closing = False

    def write(self, data: bytes) -> None:
        """Note the data."""
        self.done.append(data)

    def close(self) -> None:
        """Note the end."""
        self.done.append("closed")
        self.closing = True

    def is_closing(self) -> bool:
        """Whether the connection is going down."""
        return self.closing


def corked(wire: Wire) -> CorkedTransport:
    """A corked transport on the running event loop."""
    return CorkedTransport(cast("asyncio.Transport", wire), asyncio.get_running_loop())


def test_writes_of_one_turn_leave_together() -> None:
    """Head and body of an answer become one write, and the next answer another."""

    async def run() -> list[bytes | str]:
        wire = Wire()
        transport = corked(wire)
        transport.write(b"head ")
        transport.write(b"body")
        assert wire.done == []
        await asyncio.sleep(0)
        transport.write(b"next")
        await asyncio.sleep(0)
        return wire.done

    assert asyncio.run(run()) == [b"head body", b"next"]


def test_nothing_is_lost_at_the_end() -> None:
    """What is held when the connection is closed is written first."""

    async def run() -> list[bytes | str]:
        wire = Wire()
        transport = corked(wire)
        transport.write(b"last words")
        transport.close()
        await asyncio.sleep(0)
        return wire.done

    assert asyncio.run(run()) == [b"last words", "closed"]


def test_a_client_that_left_is_not_written_to() -> None:
    """Where the connection went down meanwhile, what is held is dropped."""

    async def run() -> list[bytes | str]:
        wire = Wire()
        transport = corked(wire)
        transport.write(b"too late")
        wire.closing = True
        await asyncio.sleep(0)
        return wire.done

    assert asyncio.run(run()) == []


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
    config = uvicorn.Config(hello, port=0, http=CorkedProtocol, lifespan="off", log_config=None)
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
