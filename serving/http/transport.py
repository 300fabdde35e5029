"""One write per answer, a last word to who still sends, and nothing read beyond what is wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


class CorkedTransport:
    """A transport whose writes of one turn of the event loop leave as one.

    uvicorn writes the head of an answer and its body separately, and uvloop hands each write to
    the kernel: two system calls and two packets per request. Held back until the event loop's
    next turn they leave together. Everything but writing and closing is the inner transport's.

    Parameters
    ----------
    linger
        Called before the connection is closed; returns whether the client is still sending. If
        so only our side is closed: a client that is reset in the middle of its request never
        gets to read why.
    """

    __slots__ = ("_held", "_inner", "_linger", "_lingering", "_loop", "_paused", "_wanted")

    def __init__(
        self,
        inner: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        linger: Callable[[], bool] | None = None,
    ) -> None:
        self._inner = inner
        self._loop = loop
        self._linger = linger
        self._lingering = False
        self._held: list[bytes] = []
        self._paused = False
        self._wanted = True

    def want(self, more: bool) -> None:
        """Read no more, or read on, whoever else has reading paused or resumed meanwhile."""
        if more != self._wanted:
            self._wanted = more
            if self.is_closing():
                return
            if not more:
                self._inner.pause_reading()
            elif not self._paused:
                self._inner.resume_reading()

    def pause_reading(self) -> None:
        """Read no more for now."""
        self._paused = True
        self._inner.pause_reading()

    def resume_reading(self) -> None:
        """Read on, if any more is wanted."""
        self._paused = False
        if self._wanted:
            self._inner.resume_reading()

    def write(self, data: bytes) -> None:
        """Hold data until the next turn of the event loop."""
        if not self._held:
            self._loop.call_soon(self._release)
        self._held.append(data)

    def write_whole(self, data: bytes) -> None:
        """Write a whole answer now, unless something before it is still held."""
        if self._held:
            self._held.append(data)
        elif not self.is_closing():
            self._inner.write(data)

    def close(self) -> None:
        """Close after what is held has been handed over."""
        self._release()
        if self._inner.is_closing() or self._linger is None or not self._linger():
            self._inner.close()
        elif not self._lingering:
            self._lingering = True
            self._inner.resume_reading()
            self._inner.write_eof()

    def let_go(self) -> None:
        """Forget who asked for the connection: it is over, and they refer to each other."""
        self._linger = None

    def is_closing(self) -> bool:
        """Whether nothing more is to be written."""
        return self._lingering or self._inner.is_closing()

    def _release(self) -> None:
        if self._held:
            data = b"".join(self._held)
            self._held.clear()
            if not self.is_closing():  # else the client has gone: nobody to tell
                self._inner.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
