"""Server of the service's protocol on a socket, in the test's own process."""

from __future__ import annotations

import asyncio
import json
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
from tests.support.http_client import HANGS
from tests.support.runtime import make_runtime, not_reached

LARGE = json.dumps({"flights": [EXAMPLE_FLIGHT] * 1_000}).encode()
CHUNKED = b"POST /predict_delay HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
"""Head of a request whose body is chunked."""
FILES = 20_000
HELLO = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n"
BROKEN = b'{"flights": [{}]}'


S = TypeVar("S", bound=uvicorn.Server)


@dataclass(frozen=True)
class Server:
    """Running server."""

    engine: AdaptiveBatcher
    port: int


@pytest.fixture
def runtime(bundle: Bundle) -> Runtime:
    """Return the loaded model."""
    return make_runtime(bundle)


@asynccontextmanager
async def serving(
    runtime: Runtime, settings: Settings | None = None, **limits: float
) -> AsyncIterator[Server]:
    """Serve on a free port of the loopback while the block runs."""
    allowed = {"bytes": 4_000_000, "connections": 100, "read": 30.0, "idle": 30.0, **limits}
    application = Application(not_reached, lambda: runtime, settings or Settings())
    reaper = IdleConnectionReaper()
    context = ConnectionContext(
        application.predict_delay,
        application.keys,
        int(allowed["bytes"]),
        allowed["read"],
        allowed["idle"],
        reaper,
        AdmissionControl(reaper, int(allowed["connections"]), FILES),
    )
    config = uvicorn.Config(
        application, port=0, log_level="error", lifespan="off", access_log=False
    )
    config.load()
    config.http_protocol_class = partial(FastPathProtocol, context)  # type: ignore[assignment] # as `install` does
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    assert isinstance(runtime.engine, AdaptiveBatcher)
    try:
        yield Server(runtime.engine, server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        await asyncio.wait_for(task, HANGS)


async def hello(_scope: Any, _receive: Any, send: Any) -> None:
    """Answer every request."""
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"hi"})


def hello_context() -> ConnectionContext:
    """Return the context of connections without a fast path."""
    reaper = IdleConnectionReaper()
    return ConnectionContext(
        None, None, 10**6, 30.0, 30.0, reaper, AdmissionControl(reaper, 100, FILES)
    )


def hello_server(kind: type[S]) -> tuple[S, ConnectionContext]:
    """Return a server of `hello` that is not started, and the context of its connections."""
    config = uvicorn.Config(hello, port=0, lifespan="off", log_config=None)
    config.load()
    context = hello_context()
    config.http_protocol_class = partial(FastPathProtocol, context)  # type: ignore[assignment] # as `install` does
    return kind(config), context


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition inside the server is true."""
    while not condition():  # noqa: ASYNC110 - the code sets no event
        await asyncio.sleep(0.001)


def run(test: Callable[[Server], Awaitable[None]], runtime: Runtime, **limits: float) -> None:
    """Run a test against a server."""

    async def main() -> None:
        async with serving(runtime, None, **limits) as server:
            await asyncio.wait_for(test(server), HANGS)

    asyncio.run(main())


@pytest.fixture
def fast_bodies(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return the list of bodies that took the fast path."""
    bodies: list[bytes] = []
    submit = PredictDelay.submit

    def spy(self: PredictDelay, body: bytes, *rest: Any) -> Any:
        bodies.append(body)
        return submit(self, body, *rest)

    monkeypatch.setattr(PredictDelay, "submit", spy)
    return bodies
