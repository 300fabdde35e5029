"""Timeouts of connections: idle ones, and those whose request does not get complete."""

from __future__ import annotations

import asyncio
import logging
from heapq import nsmallest
from operator import attrgetter
from typing import Protocol

SWEEP_SECONDS = 0.5
GRACE_SECONDS = 0.5
"""Age below which an idle connection is not evicted: its first request may be on its way."""
EVICTION_PAUSE_SECONDS = 0.02
"""Pause after an eviction that found too few idle connections."""

logger = logging.getLogger("flight_delay")


class TimedConnection(Protocol):
    """Connection as the reaper uses it."""

    last_progress: float
    """Time as `IdleConnectionReaper.now`; infinite while the service is expected to act."""
    timeout: float
    """Seconds without progress after which the connection expires."""

    @property
    def idle(self) -> bool:
        """Whether no request is arriving or being answered."""
        ...

    @property
    def has_unread_bytes(self) -> bool:
        """Whether bytes have arrived that are not read from the socket yet."""
        ...

    def expire(self) -> None:
        """Close the connection."""
        ...


class IdleConnectionReaper:
    """Timer that checks all connections twice a second and closes those that made no progress.

    A timer per connection and request would cost more than the rest of the HTTP layer. This costs
    one comparison per connection and sweep.
    """

    def __init__(self) -> None:
        self.now = 0.0
        """Time of the last sweep, in seconds of the event loop's clock; no system call to read."""
        self._connections: dict[TimedConnection, None] = {}
        """In the order in which they were added."""
        self._next_eviction = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None

    def __len__(self) -> int:
        return len(self._connections)

    def add(self, connection: TimedConnection, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to check a connection."""
        self._connections[connection] = None
        if self._loop is not loop:
            self._loop = loop
            self._sweep()

    def remove(self, connection: TimedConnection) -> None:
        """Stop checking a connection."""
        self._connections.pop(connection, None)

    def evict(self, count: int) -> int:
        """Close up to `count` connections, the longest idle first; return how many were closed.

        Where there were too few, the next calls return 0 for a moment: otherwise each of thousands
        of new connections would cost a scan of all others.
        """
        now = self._loop.time() if self._loop is not None else 0.0
        if now < self._next_eviction:
            return 0
        before = now - GRACE_SECONDS
        idle = [each for each in self._connections if each.idle and each.last_progress <= before]
        oldest = nsmallest(2 * count, idle, key=attrgetter("last_progress"))
        evicted = [each for each in oldest if not each.has_unread_bytes][:count]
        for each in evicted:
            self.remove(each)
            self._expire(each)
        if len(evicted) < count:
            self._next_eviction = now + EVICTION_PAUSE_SECONDS
        return len(evicted)

    def _sweep(self) -> None:
        assert self._loop is not None  # noqa: S101 - set by `add`
        self.now = self._loop.time()
        if not self._connections:
            self._loop = None
            return
        self._loop.call_later(SWEEP_SECONDS, self._sweep)
        for connection in list(self._connections):
            if self.now - connection.last_progress > connection.timeout:
                self._expire(connection)

    def _expire(self, connection: TimedConnection) -> None:
        try:
            connection.expire()
        except Exception:
            # an error of one connection must not keep the others open
            logger.exception("a connection could not be closed")
