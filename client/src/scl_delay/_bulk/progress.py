"""A progress bar of one line, for those who wait."""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import monotonic
from typing import TextIO

Report = Callable[[int, int | None], None]
"""Is told how many flights are answered, and how many there are where that is known. Where it is
not, a last call tells it in the end."""

WIDTH = 30


class ProgressBar:
    """Draws how far a call has come, over and over on one line.

    Parameters
    ----------
    stream
        Where to draw; standard error if left out.
    clock
        Seconds that only grow.
    """

    def __init__(
        self, stream: TextIO | None = None, clock: Callable[[], float] = monotonic
    ) -> None:
        self._stream = stream or sys.stderr
        self._clock = clock
        self._started = clock()

    def __call__(self, done: int, total: int | None) -> None:
        """Draw; the line ends once all are done."""
        rate = done / max(self._clock() - self._started, 1e-3)
        end = "\n" if done == total else ""
        self._stream.write(f"\r{_line(done, total, rate)}\x1b[K{end}")
        self._stream.flush()


def reporter(progress: bool | Report) -> Report:
    """What to tell about progress: a bar, the caller's own function, or nothing."""
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
