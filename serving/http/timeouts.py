"""Closes connections that only wait: idle ones, and those whose request never gets complete."""

from __future__ import annotations

import asyncio
import logging
from heapq import nsmallest
from operator import attrgetter
from typing import Protocol

SWEEP_SECONDS = 0.5
GRACE_SECONDS = 0.5
"""How long a connection is left in peace: the first request of a new one may be on its way."""
LOOK_SECONDS = 0.02
"""Between two looks for idle connections, where there were too few of them."""

logger = logging.getLogger("flight_delay")


class Watched(Protocol):
    """A connection as the sweeper sees it."""

    quiet_since: float
    """Time of its last progress, as `IdleConnectionReaper.now`; infinite while it is answered."""
    patience: float
    """Seconds that it may take to get further."""

    @property
    def idle(self) -> bool:
        """Whether no request is under way, as far as it has been read."""
        ...

    @property
    def has_more(self) -> bool:
        """Whether bytes have arrived that are not read yet."""
        ...

    def cut(self) -> None:
        """Close the connection."""
        ...


class IdleConnectionReaper:
    """Looks at all connections twice a second, and cuts those that have been quiet for too long.

    A timer for each connection and request would cost more than the requests of the hot path do
    otherwise; this costs one comparison per connection and sweep.
    """

    def __init__(self) -> None:
        self.now = 0.0
        """Time of the last sweep, in seconds: as fine as a sweep needs it, and free to read."""
        self._connections: dict[Watched, None] = {}
        """In the order in which they came."""
        self._next_look = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None

    def __len__(self) -> int:
        return len(self._connections)

    def add(self, connection: Watched, loop: asyncio.AbstractEventLoop) -> None:
        """Watch a connection from now on."""
        self._connections[connection] = None
        if self._loop is not loop:
            self._loop = loop
            self._sweep()

    def remove(self, connection: Watched) -> None:
        """Watch it no longer."""
        self._connections.pop(connection, None)

    def evict(self, count: int) -> int:
        """Close up to so many connections, those that have been idle longest; return how many.

        Where there were too few, nobody looks again for a moment: new connections by the thousand
        must not cost a look at all others each.
        """
        now = self._loop.time() if self._loop is not None else 0.0
        if now < self._next_look:
            return 0
        before = now - GRACE_SECONDS
        idle = [each for each in self._connections if each.idle and each.quiet_since <= before]
        oldest = nsmallest(2 * count, idle, key=attrgetter("quiet_since"))
        longest = [each for each in oldest if not each.has_more][:count]
        for each in longest:
            self.remove(each)
            self._cut(each)
        if len(longest) < count:
            self._next_look = now + LOOK_SECONDS
        return len(longest)

    def _sweep(self) -> None:
        assert self._loop is not None  # noqa: S101 - set by `add`
        self.now = self._loop.time()
        if not self._connections:
            self._loop = None
            return
        self._loop.call_later(SWEEP_SECONDS, self._sweep)
        for connection in list(self._connections):
            if self.now - connection.quiet_since > connection.patience:
                self._cut(connection)

    def _cut(self, connection: Watched) -> None:
        try:
            connection.cut()
        except Exception:
            # whatever it is, all the others are looked after
            logger.exception("a connection could not be closed")
