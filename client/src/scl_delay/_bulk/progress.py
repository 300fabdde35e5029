"""Draw a progress bar on one line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import monotonic
from typing import TextIO

Report = Callable[[int, int | None], None]
"""Function of the number of answered flights and the total. The total is None while it is not
known; the last call has it."""

WIDTH = 30


class ProgressBar:
    """Progress bar that is redrawn on one line.

    Parameters
    ----------
    stream
        Text stream to draw on; standard error by default.
    clock
        Monotonic clock, in seconds.
    """

    def __init__(
        self, stream: TextIO | None = None, clock: Callable[[], float] = monotonic
    ) -> None:
        self._stream = stream or sys.stderr
        self._clock = clock
        self._started = clock()

    def __call__(self, done: int, total: int | None) -> None:
        """Draw the bar, and end its line once all flights are done."""
        rate = done / max(self._clock() - self._started, 1e-3)
        end = "\n" if done == total else ""
        self._stream.write(f"\r{_line(done, total, rate)}\x1b[K{end}")
        self._stream.flush()


def reporter(progress: bool | Report) -> Report:
    """Return the function that reports progress: a bar, the caller's own, or a no-op."""
    if callable(progress):
        return progress
    return ProgressBar() if progress else _silent


def _silent(_done: int, _total: int | None) -> None:
    pass


def _line(done: int, total: int | None, rate: float) -> str:
    if total is None:
        return f"{done:,} flights  {rate:,.0f}/s"
    filled = WIDTH if total == 0 else WIDTH * done // total
    return f"[{'#' * filled:.<{WIDTH}}] {done:,} of {total:,} flights  {rate:,.0f}/s"
