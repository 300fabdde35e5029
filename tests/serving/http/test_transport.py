"""The corked transport: one write per turn of the event loop, nothing lost at the end."""

from __future__ import annotations

import asyncio
from typing import cast

from serving.http.transport import CorkedTransport


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

    def pause_reading(self) -> None:
        """Note that nothing is read."""
        self.done.append("paused")

    def resume_reading(self) -> None:
        """Note that it is read on."""
        self.done.append("resumed")

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


def test_nothing_is_read_that_is_not_wanted() -> None:
    """Reading goes on when it is wanted and nobody else has it paused, whichever comes last."""

    async def run() -> list[bytes | str]:
        wire = Wire()
        transport = corked(wire)
        transport.set_reading(True)
        transport.set_reading(False)
        transport.pause_reading()
        transport.resume_reading()
        wire.done.append("not wanted")
        transport.set_reading(True)
        transport.pause_reading()
        transport.set_reading(False)
        transport.set_reading(True)
        wire.done.append("paused by another")
        transport.resume_reading()
        transport.close()
        transport.set_reading(False)
        return wire.done

    first, _, second = " ".join(map(str, asyncio.run(run()))).partition("not wanted")
    assert first.split() == ["paused", "paused"]
    assert second == " resumed paused paused paused by another resumed closed"
