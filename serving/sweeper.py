"""Closes connections that only wait: idle ones, and those whose request never gets complete."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

SWEEP_SECONDS = 0.5

logger = logging.getLogger("flight_delay")


class Watched(Protocol):
    """A connection as the sweeper sees it."""

    quiet_since: float
    """When it last got further, in seconds of `Sweeper.now`; infinite while we work on it."""
    patience: float
    """Seconds that it may take to get further."""

    def cut(self) -> None:
        """Close the connection."""
        ...


class Sweeper:
    """Looks at all connections twice a second, and cuts those that have been quiet for too long.

    A timer for each connection and request would cost more than the requests of the hot path do
    otherwise; this costs one comparison per connection and sweep.
    """

    def __init__(self) -> None:
        self.now = 0.0
        """Time of the last sweep, in seconds: as fine as a sweep needs it, and free to read."""
        self._connections: set[Watched] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def __len__(self) -> int:
        return len(self._connections)

    def add(self, connection: Watched, loop: asyncio.AbstractEventLoop) -> None:
        """Watch a connection from now on."""
        self._connections.add(connection)
        if self._loop is not loop:
            self._loop = loop
            self._sweep()

    def remove(self, connection: Watched) -> None:
        """Watch it no longer."""
        self._connections.discard(connection)

    def _sweep(self) -> None:
        assert self._loop is not None  # noqa: S101 - set by `add`
        self.now = self._loop.time()
        if not self._connections:
            self._loop = None
            return
        self._loop.call_later(SWEEP_SECONDS, self._sweep)
        for connection in list(self._connections):
            if self.now - connection.quiet_since > connection.patience:
                try:
                    connection.cut()
                except Exception:
                    # whatever it is, the sweeps go on for all the others
                    logger.exception("a connection could not be closed")
