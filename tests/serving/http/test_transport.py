"""CorkedTransport: one write per turn of the event loop, nothing lost at the end."""

from __future__ import annotations

import asyncio
from typing import cast

from serving.http.transport import CorkedTransport


class Wire:
    """Transport that records all calls."""

    def __init__(self) -> None:
        self.done: list[bytes | str] = []
        self.closing = False

    def write(self, data: bytes) -> None:
        """Record the data."""
        self.done.append(data)

    def close(self) -> None:
        """Record the close."""
        self.done.append("closed")
        self.closing = True

    def pause_reading(self) -> None:
        """Record a pause."""
        self.done.append("paused")

    def resume_reading(self) -> None:
        """Record a resume."""
        self.done.append("resumed")

    def is_closing(self) -> bool:
        """Return whether the connection is closing."""
        return self.closing


def corked(wire: Wire) -> CorkedTransport:
    """Return a corked transport on the running event loop."""
    return CorkedTransport(cast("asyncio.Transport", wire), asyncio.get_running_loop())


def test_writes_of_one_turn_leave_together() -> None:
    """Head and body of a response become one write, the next response another."""

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
    """Buffered data is written before the connection is closed."""

    async def run() -> list[bytes | str]:
        wire = Wire()
        transport = corked(wire)
        transport.write(b"last response")
        transport.close()
        await asyncio.sleep(0)
        return wire.done

    assert asyncio.run(run()) == [b"last response", "closed"]


def test_nothing_is_written_to_a_lost_connection() -> None:
    """Buffered data is dropped when the connection is lost meanwhile."""

    async def run() -> list[bytes | str]:
        wire = Wire()
        transport = corked(wire)
        transport.write(b"too late")
        wire.closing = True
        await asyncio.sleep(0)
        return wire.done

    assert asyncio.run(run()) == []


def test_reading_has_two_independent_switches() -> None:
    """Reading resumes when both `set_reading` and `resume_reading` allow it, in any order."""

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
