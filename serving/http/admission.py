"""Admission of new connections: limits of connections and of the files that they take."""

from __future__ import annotations

import logging
import resource
from enum import Enum, auto
from time import monotonic

from serving import metrics
from serving.http.timeouts import IdleConnectionReaper

RESERVED_FILES = 128
"""File descriptors that connections leave free: for the model, logs, and sockets being accepted."""
LAST_FILES = 16
"""The last of the reserved descriptors; a connection that gets one of them is closed at once."""
MIN_CONNECTIONS = 8
EVICTED_SHARE = 64
"""One in so many connections is closed at a time to make room: each eviction scans all."""
EXTRA_SHARE = 4
"""One in so many connections may be open beyond the limit, for health checks and refusals."""
MIN_EXTRA = 64
LOG_SECONDS = 10.0

logger = logging.getLogger("flight_delay")


class Admission(Enum):
    """Decision about a new connection."""

    OPEN = auto()
    OVER_LIMIT = auto()
    """Health checks are answered, all other requests are refused."""
    REFUSED = auto()


def raise_file_limit() -> int:
    """Raise the soft limit of open files to the hard limit, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard if hard != resource.RLIM_INFINITY else 2**31


class AdmissionControl:
    """Admission control that closes the longest idle connections when too many are open.

    Parameters
    ----------
    max_connections
        Connections that may be open; fewer where the limit of open files does not allow as many.
    max_files
        Limit of open files.
    """

    def __init__(self, reaper: IdleConnectionReaper, max_connections: int, max_files: int) -> None:
        available = max(max_files - RESERVED_FILES, MIN_CONNECTIONS)
        extra = max(max_connections // EXTRA_SHARE, MIN_EXTRA)
        self._reaper = reaper
        self._extra = min(extra, max(available // EXTRA_SHARE, 1))
        self.limit = min(max_connections, available - self._extra)
        self._max_files = max_files
        self._logged: dict[str, float] = {}
        if self.limit < max_connections:
            logger.warning(
                "%d open files are allowed: enough for %d connections, not for %d",
                *(max_files, self.limit, max_connections),
            )

    def admit(self, descriptor: int) -> Admission:
        """Decide about a connection with this file descriptor; evict idle ones if necessary."""
        if descriptor >= self._max_files - LAST_FILES:
            self.count_no_files()
            return Admission.REFUSED
        if len(self._reaper) < self.limit:
            return Admission.OPEN
        too_many = len(self._reaper) - self.limit + 1
        evicted = self._reaper.evict(max(too_many, self.limit // EVICTED_SHARE))
        metrics.connections_closed.labels("idle").inc(evicted)
        if len(self._reaper) < self.limit:
            self._log("%d connections are open: idle ones are closed for new ones", self.limit)
            return Admission.OPEN
        if len(self._reaper) < self.limit + self._extra:
            return Admission.OVER_LIMIT
        self.count_refused()
        return Admission.REFUSED

    @property
    def over_limit(self) -> bool:
        """Whether more connections are open than the limit allows."""
        return len(self._reaper) > self.limit

    def count_refused(self) -> None:
        """Count a connection that is refused because too many are open."""
        metrics.connections_closed.labels("limit").inc()
        self._log("%d connections are open and at work: new ones are refused", self.limit)

    def count_no_files(self) -> None:
        """Count a connection that is refused because no file descriptor is left for it."""
        metrics.connections_closed.labels("files").inc()
        self._log("%d files are open: new connections are refused", self._max_files)

    def _log(self, message: str, count: int) -> None:
        now = monotonic()
        if now - self._logged.get(message, -LOG_SECONDS) >= LOG_SECONDS:
            self._logged[message] = now
            logger.warning(message, count)
