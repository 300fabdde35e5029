"""Limit the stop of the supervisor of `bentoml serve`, which is circus.

BentoML gives its workers a day to stop and keeps the port open until the last of them has ended.
One hung worker therefore delays the stop, and connections that are opened meanwhile are reset.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import circus.watcher  # type: ignore[import-untyped] # circus has no types
from tornado import gen

from serving.http.listening import refuse_handshakes
from serving.http.watchdog import DRAIN_SECONDS

KILL_SECONDS = 10
"""Time between the limit for requests in flight and SIGKILL; a worker exits before."""


class BoundedWatcher(circus.watcher.Watcher):  # type: ignore[misc] # circus has no types
    """Watcher whose stop has a limit and begins by refusing new connections.

    Attributes
    ----------
    stop_seconds
        Time from SIGTERM to SIGKILL.
    """

    stop_seconds: float = DRAIN_SECONDS + KILL_SECONDS

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{**options, "graceful_timeout": self.stop_seconds})

    @gen.coroutine
    def _stop(self, close_output_streams: bool = False) -> Iterator[Any]:
        """Stop the workers; close the port first, unless they are restarted.

        The workers keep the port open until pending connections are accepted.
        """
        if self.arbiter._stopping:  # noqa: SLF001 - circus has no public name for it
            for each in self.sockets.values():
                refuse_handshakes(each)
                each.close()
        yield super()._stop(close_output_streams)


def install(drain_seconds: float | None) -> None:
    """Make circus use this watcher; called in the supervisor, before BentoML makes its own."""
    drain = DRAIN_SECONDS if drain_seconds is None else drain_seconds
    BoundedWatcher.stop_seconds = drain + KILL_SECONDS
    circus.watcher.Watcher = BoundedWatcher
