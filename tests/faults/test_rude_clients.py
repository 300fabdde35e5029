"""Clients of every bad manner at once, on raw sockets: each gets its own answers, in order."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.faults.conftest import (
    FULL,
    READ_SECONDS,
    Figure,
    Truth,
    answer_of,
    http,
    open_files,
    port_of,
    wait_for,
    works,
)
from tests.support.server import Server

pytestmark = pytest.mark.server

CLIENTS = 10_000 if FULL else 500
TOGETHER = 60
PLAIN = "content-type: application/json"
UNUSUAL = "connection: Keep-Alive"
"""Sends a request the long way."""
WITHIN = 120.0


class Rude:
    """One client: good requests, pipelined, and then whatever its manner is."""

    def __init__(self, port: int, truth: Truth, seed: int) -> None:
        self._port, self._truth, self._random = port, truth, random.Random(seed)  # noqa: S311 - a seeded choice
        count = self._random.randint(1, 5)
        self._numbers = [self._random.randrange(len(truth.bodies)) for _ in range(count)]
        ways = [self._random.choice((PLAIN, UNUSUAL)) for _ in self._numbers]
        self._good = b"".join(
            http(truth.bodies[n], way) for n, way in zip(self._numbers, ways, strict=True)
        )

    async def behave(self) -> str:
        """Do it; return how it went."""
        manners: list[Callable[[Any, Any], Awaitable[int | None]]] = [
            self._patient, self._in_crumbs, self._nonsense, self._unfinished, self._resets,
            self._resets_in_a_body, self._asks_for_leave, self._upgrades,
        ]  # fmt: skip
        manner = self._random.choice(manners)
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=2**20)
        try:
            last = await manner(reader, writer)
            if last is not None:
                status, _ = await answer_of(reader)
                assert status == last, manner.__name__
                assert await reader.read() == b"", manner.__name__
        finally:
            writer.close()
        return manner.__name__.strip("_")

    async def _answers(self, reader: asyncio.StreamReader) -> None:
        for number in self._numbers:
            status, answer = await answer_of(reader)
            assert status == 200
            assert self._truth.fits(number, answer)

    async def _patient(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self._good)
        await asyncio.sleep(self._random.random() / 5)
        await self._answers(reader)

    async def _in_crumbs(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
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
        rest = http(self._truth.bodies[0], PLAIN)
        writer.write(self._good + rest[: self._random.randrange(1, len(rest))])
        await self._answers(reader)
        return 408

    async def _resets(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self._good)
        await asyncio.sleep(self._random.choice((0, 0.002, 0.02)))
        _reset(writer)

    async def _resets_in_a_body(
        self, _: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(self._good[: -self._random.randrange(1, 60)])
        await asyncio.sleep(self._random.choice((0, 0.002, 0.02)))
        _reset(writer)

    async def _asks_for_leave(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        number = self._numbers[-1]
        head, _, body = http(self._truth.bodies[number], "expect: 100-continue").partition(
            b"\r\n\r\n"
        )
        writer.write(head + b"\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(body + self._good)
        self._numbers = [number, *self._numbers]
        await self._answers(reader)

    async def _upgrades(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = self._numbers[0]
        offer = http(self._truth.bodies[number], "connection: upgrade", "upgrade: h2c")
        writer.write(self._good + offer + self._good)
        self._numbers = [*self._numbers, number, *self._numbers]
        await self._answers(reader)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Leave without a word: RST instead of FIN."""
    writer.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
    )
    writer.transport.abort()


async def _all(port: int, truth: Truth) -> Counter[str]:
    room = asyncio.Semaphore(TOGETHER)

    async def one(seed: int) -> str:
        async with room, asyncio.timeout(WITHIN + READ_SECONDS):
            return await Rude(port, truth, seed).behave()

    return Counter(await asyncio.gather(*map(one, range(CLIENTS))))


def test_clients_without_manners(service: Server, truth: Truth, figure: Figure) -> None:
    """Pipelined, in crumbs, cut short, reset, followed by nonsense: all at once."""
    before = open_files(service)
    manners = asyncio.run(_all(port_of(service), truth))
    assert works(service)
    wait_for(lambda: open_files(service) <= before + 2)
    figure(clients=manners.total(), wrong_answers=0, **manners)
