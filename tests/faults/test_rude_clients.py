"""Misbehaving clients on raw sockets: each gets its own responses, in order."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.faults.conftest import (
    FULL,
    READ_SECONDS,
    Figure,
    Truth,
    open_files,
    port_of,
    wait_for,
    works,
)
from tests.support.http_client import JSON, read_response, request, reset
from tests.support.server import Server

pytestmark = pytest.mark.server

CLIENTS = 10_000 if FULL else 500
TOGETHER = 60
ASGI_PATH = "connection: Keep-Alive\r\n"
"""Header without effect that puts a request on the ASGI path."""
WITHIN = 120.0


class MisbehavingClient:
    """Client that pipelines valid requests, then misbehaves in one of several ways."""

    def __init__(self, port: int, truth: Truth, seed: int) -> None:
        self._port, self._truth, self._random = port, truth, random.Random(seed)  # noqa: S311 - a seeded choice
        count = self._random.randint(1, 5)
        self._numbers = [self._random.randrange(len(truth.bodies)) for _ in range(count)]
        headers = [self._random.choice((JSON, ASGI_PATH)) for _ in self._numbers]
        self._good = b"".join(
            request(truth.bodies[n], each) for n, each in zip(self._numbers, headers, strict=True)
        )

    async def behave(self) -> str:
        """Misbehave; return the way chosen."""
        behaviours: list[Callable[[Any, Any], Awaitable[int | None]]] = [
            self._patient, self._in_small_pieces, self._nonsense, self._unfinished, self._resets,
            self._resets_in_a_body, self._expects_100_continue, self._upgrades,
        ]  # fmt: skip
        behaviour = self._random.choice(behaviours)
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=2**20)
        try:
            last = await behaviour(reader, writer)
            if last is not None:
                status = (await read_response(reader)).status
                assert status == last, behaviour.__name__
                assert await reader.read() == b"", behaviour.__name__
        finally:
            writer.close()
        return behaviour.__name__.strip("_")

    async def _answers(self, reader: asyncio.StreamReader) -> None:
        for number in self._numbers:
            status, _, answer = await read_response(reader)
            assert status == 200
            assert self._truth.fits(number, answer)

    async def _patient(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self._good)
        await asyncio.sleep(self._random.random() / 5)
        await self._answers(reader)

    async def _in_small_pieces(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        start = 0
        while start < len(self._good):
            stop = start + self._random.randint(1, 200)
            writer.write(self._good[start:stop])
            await asyncio.sleep(0.001)
            start = stop
        await self._answers(reader)

    async def _nonsense(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        writer.write(self._good + b"nonsense\r\n\r\n")
        await self._answers(reader)
        return 400

    async def _unfinished(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        rest = request(self._truth.bodies[0])
        writer.write(self._good + rest[: self._random.randrange(1, len(rest))])
        await self._answers(reader)
        return 408

    async def _resets(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self._good)
        await asyncio.sleep(self._random.choice((0, 0.002, 0.02)))
        reset(writer)

    async def _resets_in_a_body(
        self, _: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(self._good[: -self._random.randrange(1, 60)])
        await asyncio.sleep(self._random.choice((0, 0.002, 0.02)))
        reset(writer)

    async def _expects_100_continue(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        number = self._numbers[-1]
        sent = request(self._truth.bodies[number], "expect: 100-continue\r\n")
        head, _, body = sent.partition(b"\r\n\r\n")
        writer.write(head + b"\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(body + self._good)
        self._numbers = [number, *self._numbers]
        await self._answers(reader)

    async def _upgrades(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = self._numbers[0]
        offer = request(self._truth.bodies[number], "connection: upgrade\r\nupgrade: h2c\r\n")
        writer.write(self._good + offer + self._good)
        self._numbers = [*self._numbers, number, *self._numbers]
        await self._answers(reader)


async def _all(port: int, truth: Truth) -> Counter[str]:
    room = asyncio.Semaphore(TOGETHER)

    async def one(seed: int) -> str:
        async with room, asyncio.timeout(WITHIN + READ_SECONDS):
            return await MisbehavingClient(port, truth, seed).behave()

    return Counter(await asyncio.gather(*map(one, range(CLIENTS))))


def test_misbehaving_clients(service: Server, truth: Truth, figure: Figure) -> None:
    """Pipelined, split, incomplete, reset or followed by invalid bytes: all at once."""
    before = open_files(service)
    behaviours = asyncio.run(_all(port_of(service), truth))
    assert works(service)
    wait_for(lambda: open_files(service) <= before + 2)
    figure(clients=behaviours.total(), wrong_answers=0, **behaviours)
