"""Watchdog of a worker: its event loop, its stop and its supervisor."""

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
"""Time for requests in flight at a stop; default of `--timeout-graceful-shutdown`."""
CHECK_SECONDS = 0.5
LOG_SECONDS = 0.5
STOP_MARGIN_SECONDS = 5
"""Time for the rest of a stop: the prediction log, the threads of the executor."""

logger = logging.getLogger("flight_delay")


class Stoppable(Protocol):
    """Server with the flag that uvicorn sets when it begins to stop."""

    should_exit: bool


class Watchdog:
    """Thread that ends the worker when its event loop hangs, or its stop takes too long.

    It also stops the worker when the supervisor has ended. Time is counted in checks of the thread,
    not by the clock: a process without processor time (a suspended host, a container without
    requests on Cloud Run) does not hang.

    Parameters
    ----------
    server
        Server that stops by SIGTERM.
    loop_seconds
        The process ends when its event loop has made no turn for this time.
    drain_seconds
        Time that the server gives to requests in flight at a stop; the process ends
        `STOP_MARGIN_SECONDS` later.
    """

    def __init__(self, server: Stoppable, loop_seconds: float, drain_seconds: float) -> None:
        self._server = server
        self._loop_seconds = loop_seconds
        self._stop_seconds = drain_seconds + STOP_MARGIN_SECONDS
        self._turns = 0

    def start(self) -> threading.Thread:
        """Start the thread, and return it; called inside the event loop, with which it ends."""
        loop = asyncio.get_running_loop()
        self._turn(loop)
        thread = threading.Thread(target=self._watch, args=(loop,), name="watchdog", daemon=True)
        thread.start()
        return thread

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        self._turns += 1
        loop.call_later(CHECK_SECONDS, self._turn, loop)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        turns, hung, stopping = 0, 0.0, 0.0
        while True:
            time.sleep(CHECK_SECONDS)
            if loop.is_closed():
                return
            hung = hung + CHECK_SECONDS if turns == self._turns else 0.0
            turns = self._turns
            if hung >= self._loop_seconds:
                _end(f"the event loop has not turned for {hung:g} s, {_place()}: this worker ends")
            if self._server.should_exit:
                stopping += CHECK_SECONDS
                if stopping >= self._stop_seconds:
                    _end(f"not stopped after {stopping:g} s: this worker ends")
            elif served_tag.orphaned():
                logger.warning("the supervisor has gone: this worker stops")
                served_tag.remove()
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(CHECK_SECONDS)


def _place() -> str:
    """Return the position of the main thread, which runs the event loop."""
    frame: Any = sys._current_frames().get(threading.main_thread().ident or 0)  # noqa: SLF001 - the documented way
    if frame is None:
        return "place unknown"
    return f"in {frame.f_code.co_filename}:{frame.f_lineno} ({frame.f_code.co_name})"


def _end(message: str) -> NoReturn:
    """Log one line and end the process at once.

    Another thread writes it: the one that hangs may hold the lock of the log.
    """
    threading.Thread(target=logger.critical, args=(message,), daemon=True).start()
    time.sleep(LOG_SECONDS)
    os._exit(1)
