"""Ends a worker that cannot end itself, and one whose supervisor has gone."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
import time
from typing import Any, NoReturn, Protocol

from serving.models import served_tag

DRAIN_SECONDS = 30
"""For requests in flight, where `--timeout-graceful-shutdown` does not say how long."""
LOOK_SECONDS = 0.5
LOG_SECONDS = 0.5
STOP_MARGIN_SECONDS = 5
"""For what follows the requests in flight at a stop: the prediction log, the executor's threads."""

logger = logging.getLogger("flight_delay")


class Stoppable(Protocol):
    """Server that says whether it has begun to stop."""

    should_exit: bool


class Watchdog:
    """Thread that watches the event loop, the supervisor and the stop of a worker.

    Time is counted by its own looks, not by the clock: a process that got no processor time (a
    suspended host, a container without requests on Cloud Run) has not hung.

    Parameters
    ----------
    server
        Stops by SIGTERM.
    loop_seconds
        The process ends when its event loop has not turned for so long.
    drain_seconds
        What the server gives to requests in flight; the process ends `STOP_MARGIN_SECONDS` later.
    """

    def __init__(self, server: Stoppable, loop_seconds: float, drain_seconds: float) -> None:
        self._server = server
        self._loop_seconds = loop_seconds
        self._stop_seconds = drain_seconds + STOP_MARGIN_SECONDS
        self._turns = 0

    def start(self) -> None:
        """Begin to watch; called inside the event loop."""
        self._turn(asyncio.get_running_loop())
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        self._turns += 1
        loop.call_later(LOOK_SECONDS, self._turn, loop)

    def _watch(self) -> NoReturn:
        turns, hung, stopping = 0, 0.0, 0.0
        while True:
            time.sleep(LOOK_SECONDS)
            hung = hung + LOOK_SECONDS if turns == self._turns else 0.0
            turns = self._turns
            if hung >= self._loop_seconds:
                _end(f"the event loop has not turned for {hung:g} s, {_place()}: this worker ends")
            if self._server.should_exit:
                stopping += LOOK_SECONDS
                if stopping >= self._stop_seconds:
                    _end(f"not stopped after {stopping:g} s: this worker ends")
            elif served_tag.orphaned():
                logger.warning("the supervisor has gone: this worker stops")
                served_tag.remove()
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(LOOK_SECONDS)


def _place() -> str:
    """Say where the main thread, which runs the event loop, is."""
    frame: Any = sys._current_frames().get(threading.main_thread().ident or 0)  # noqa: SLF001 - the documented way
    if frame is None:
        return "place unknown"
    return f"in {frame.f_code.co_filename}:{frame.f_lineno} ({frame.f_code.co_name})"


def _end(message: str) -> NoReturn:
    """Log one line and end the process at once.

    The line is written by another thread: the one that hangs may hold the lock of the log.
    """
    threading.Thread(target=logger.critical, args=(message,), daemon=True).start()
    time.sleep(LOG_SECONDS)
    os._exit(1)
