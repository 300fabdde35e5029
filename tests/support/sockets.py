"""A real server with the short way on a socket, and clients that speak to it byte by byte."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import pytest
import uvicorn

from model.inference.bundle import Bundle
from serving.api.application import Application
from serving.api.predict import PredictDelay
from serving.batching.adaptive import AdaptiveBatcher
from serving.contract.schema import EXAMPLE_FLIGHT
from serving.http.admission import AdmissionControl
from serving.http.context import ConnectionContext
from serving.http.protocol import FastPathProtocol
from serving.http.timeouts import IdleConnectionReaper
from serving.models.loaded import Runtime
from serving.settings import Settings
from tests.support.runtime import make_runtime

BODY = json.dumps({"flights": [EXAMPLE_FLIGHT]}).encode()
LARGE = json.dumps({"flights": [EXAMPLE_FLIGHT] * 1_000}).encode()
CHUNKED = b"POST /predict_delay HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
"""Head of a request whose body comes in chunks."""
FILES = 20_000
HELLO = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n"
BROKEN = b'{"flights": [{}]}'


S = TypeVar("S", bound=uvicorn.Server)


async def _inside(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError(scope, receive, send)


@dataclass(frozen=True)
class Server:
    """A running server."""

    engine: AdaptiveBatcher
    port: int


@pytest.fixture
def runtime(bundle: Bundle) -> Runtime:
    """The loaded model."""
    return make_runtime(bundle)


@asynccontextmanager
async def serving(
    runtime: Runtime, settings: Settings | None = None, **limits: float
) -> AsyncIterator[Server]:
    """Serve on a free port of the loopback for as long as the block lasts."""
    allowed = {"bytes": 4_000_000, "connections": 100, "read": 30.0, "idle": 30.0, **limits}
    door = Application(_inside, lambda: runtime, settings or Settings())
    reaper = IdleConnectionReaper()
    house = ConnectionContext(
        door.predict_delay,
        door.keys,
        int(allowed["bytes"]),
        allowed["read"],
        allowed["idle"],
        reaper,
        AdmissionControl(reaper, int(allowed["connections"]), FILES),
    )
    config = uvicorn.Config(door, port=0, log_level="error", lifespan="off", access_log=False)
    config.load()
    config.http_protocol_class = partial(FastPathProtocol, house)  # type: ignore[assignment] # as `install` does
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    assert isinstance(runtime.engine, AdaptiveBatcher)
    try:
        yield Server(runtime.engine, server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        await asyncio.wait_for(task, 120)


async def hello(_scope: Any, _receive: Any, send: Any) -> None:
    """Answer everything."""
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"hi"})


def hello_house() -> ConnectionContext:
    """What connections share where nothing is predicted."""
    reaper = IdleConnectionReaper()
    return ConnectionContext(
        None, None, 10**6, 30.0, 30.0, reaper, AdmissionControl(reaper, 100, FILES)
    )


def saying_hello(kind: type[S]) -> tuple[S, ConnectionContext]:
    """A server of `hello` by this protocol, not started yet, and what its connections share."""
    config = uvicorn.Config(hello, port=0, lifespan="off", log_config=None)
    config.load()
    house = hello_house()
    config.http_protocol_class = partial(FastPathProtocol, house)  # type: ignore[assignment] # as `install` does
    return kind(config), house


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something to become true inside the server."""
    while not condition():  # noqa: ASYNC110 - it happens in code that announces nothing
        await asyncio.sleep(0.001)


def request(body: bytes = BODY, headers: str = "content-type: application/json\r\n") -> bytes:
    """The bytes of a plain request."""
    head = (
        f"POST /predict_delay HTTP/1.1\r\nhost: x\r\n{headers}content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], Any]:
    """Status, headers and body of the next answer on a connection."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head[1:-2])
    body = await reader.readexactly(int(headers["content-length"]))
    return int(head[0].split()[1]), headers, json.loads(body)


def reset(writer: asyncio.StreamWriter) -> None:
    """Leave for good: a client that only closes its connection may have half-closed it."""
    writer.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
    )
    writer.transport.abort()


async def ask(port: int, *requests: bytes) -> list[tuple[int, dict[str, str], Any]]:
    """Send requests at once over one connection, and read as many answers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"".join(requests))
    answers = [await read_answer(reader) for _ in requests]
    writer.close()
    return answers


def run(test: Callable[[Server], Awaitable[None]], runtime: Runtime, **limits: float) -> None:
    """Run a test against a server."""

    async def main() -> None:
        async with serving(runtime, None, **limits) as server:
            await asyncio.wait_for(test(server), 120)

    asyncio.run(main())


@pytest.fixture
def shortened(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Bodies that went the short way."""
    bodies: list[bytes] = []
    submit = PredictDelay.submit

    def spy(self: PredictDelay, body: bytes, *rest: Any) -> Any:
        bodies.append(body)
        return submit(self, body, *rest)

    monkeypatch.setattr(PredictDelay, "submit", spy)
    return bodies
