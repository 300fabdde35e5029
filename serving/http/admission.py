"""Which new connections are accepted: limits of connections and of the files that they take."""

from __future__ import annotations

import logging
import resource
from enum import Enum, auto
from time import monotonic

from serving import metrics
from serving.http.timeouts import IdleConnectionReaper

KEPT_FILES = 128
"""File descriptors that connections leave free: for the model, logs, and sockets being accepted."""
LAST_FILES = 16
"""Of these, the last, which no connection keeps."""
LEAST_CONNECTIONS = 8
EVICTED_SHARE = 64
"""One in so many connections is closed at once to make room: to find them takes a look at all."""
EXTRA_SHARE = 4
"""One in so many connections may be open beyond the limit, for health checks and refusals."""
LEAST_EXTRA = 64
LOG_SECONDS = 10.0

logger = logging.getLogger("flight_delay")


class Admission(Enum):
    """What a new connection may do."""

    OPEN = auto()
    EXTRA = auto()
    """It is beyond the limit: it may ask whether the service is well, and is refused all else."""
    REFUSED = auto()


def raise_file_limit() -> int:
    """Raise the process's limit of open files to what it may be; return the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard if hard != resource.RLIM_INFINITY else 2**31


class Admissions:
    """Decides on new connections; where there are too many, closes those that are idle longest.

    Parameters
    ----------
    max_connections
        Connections that may be open; fewer where the limit of open files does not allow as many.
    max_files
        Limit of open files.
    """

    def __init__(self, sweeper: IdleConnectionReaper, max_connections: int, max_files: int) -> None:
        room = max(max_files - KEPT_FILES, LEAST_CONNECTIONS)
        extra = max(max_connections // EXTRA_SHARE, LEAST_EXTRA)
        self._sweeper = sweeper
        self._extra = min(extra, max(room // EXTRA_SHARE, 1))
        self.most = min(max_connections, room - self._extra)
        self._max_files = max_files
        self._logged: dict[str, float] = {}
        if self.most < max_connections:
            logger.warning(
                "%d open files are allowed: enough for %d connections, not for %d",
                *(max_files, self.most, max_connections),
            )

    def admit(self, descriptor: int) -> Admission:
        """Decide on a connection with this file descriptor; close idle ones if there is no room."""
        if descriptor >= self._max_files - LAST_FILES:
            self.no_files()
            return Admission.REFUSED
        if len(self._sweeper) < self.most:
            return Admission.OPEN
        too_many = len(self._sweeper) - self.most + 1
        evicted = self._sweeper.evict(max(too_many, self.most // EVICTED_SHARE))
        metrics.connections_closed.labels("idle").inc(evicted)
        if len(self._sweeper) < self.most:
            self._log("%d connections are open: idle ones are closed for new ones", self.most)
            return Admission.OPEN
        if len(self._sweeper) < self.most + self._extra:
            return Admission.EXTRA
        self.refused()
        return Admission.REFUSED

    @property
    def over(self) -> bool:
        """Whether more connections are open than may be."""
        return len(self._sweeper) > self.most

    def refused(self) -> None:
        """Count a connection that is refused because too many are open."""
        metrics.connections_closed.labels("limit").inc()
        self._log("%d connections are open and at work: new ones are refused", self.most)

    def no_files(self) -> None:
        """Count a connection for which there is no file descriptor."""
        metrics.connections_closed.labels("files").inc()
        self._log("%d files are open: new connections are refused", self._max_files)

    def _log(self, message: str, count: int) -> None:
        now = monotonic()
        if now - self._logged.get(message, -LOG_SECONDS) >= LOG_SECONDS:
            self._logged[message] = now
            logger.warning(message, count)
