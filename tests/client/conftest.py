"""Fixtures: a common interface to both clients, and a service."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from model.inference.bundle import Bundle
from scl_delay import AsyncDelayClient, DelayClient
from serving.api.application import Application
from serving.api.asgi import Receive, Scope, Send
from serving.settings import Settings
from tests.support.runtime import make_runtime
from tests.support.server import Server, running_server


class ClientRunner:
    """Adapter that calls either client synchronously and records the waits between retries."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.waits: list[float] = []

    def call(self, url: str, method: str, *args: Any, client: Any = None, **options: Any) -> Any:
        """Call a method of a new client, which gets the options `client`."""
        made = client or {}
        if self.kind == "sync":
            with DelayClient(url, sleep=self.waits.append, **made) as asked:
                return getattr(asked, method)(*args, **options)
        return asyncio.run(self._call(url, method, made, *args, **options))

    async def _call(self, url: str, method: str, made: Any, *args: Any, **options: Any) -> Any:
        async with AsyncDelayClient(url, sleep=self._sleep, **made) as asked:
            return await getattr(asked, method)(*args, **options)

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)


@pytest.fixture(params=["sync", "async"])
def runner(request: pytest.FixtureRequest) -> ClientRunner:
    """Return a runner of each client in turn."""
    return ClientRunner(request.param)


@pytest.fixture(scope="session")
def live(registered: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run `bentoml serve` with the registered model."""
    assert registered
    with running_server(tmp_path_factory.mktemp("live") / "log") as running:
        yield running


async def _nothing_inside(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise AssertionError


@pytest.fixture(scope="session")
def make_app(bundle: Bundle) -> Callable[..., Application]:
    """Return a function from settings to the service's ASGI application."""

    def make(**settings: Any) -> Application:
        chosen = Settings(**settings)
        runtime = make_runtime(bundle, chosen)
        return Application(_nothing_inside, lambda: runtime, chosen)

    return make


@pytest.fixture
def asgi(make_app: Callable[..., Application]) -> httpx.ASGITransport:
    """Return a transport that calls the ASGI application without a network."""
    return httpx.ASGITransport(app=make_app())
