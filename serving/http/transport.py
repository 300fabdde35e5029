"""Transport that joins writes, pauses reading on demand and closes without a reset."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


class CorkedTransport:
    """Transport that joins all writes of one turn of the event loop into one.

    uvicorn writes the head of a response and its body separately, and uvloop passes each write to
    the kernel: two system calls and two packets per request. Here writes are buffered until the
    event loop's next turn. All other methods are those of the inner transport.

    Parameters
    ----------
    must_linger
        Called before the connection is closed; returns whether the client is still sending. If
        so, only the sending side is closed (a lingering close, as in nginx): after a reset, a
        client cannot read the response that says why.
    """

    __slots__ = ("_buffer", "_inner", "_lingering", "_loop", "_must_linger", "_paused", "_reading")

    def __init__(
        self,
        inner: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        must_linger: Callable[[], bool] | None = None,
    ) -> None:
        self._inner = inner
        self._loop = loop
        self._must_linger = must_linger
        self._lingering = False
        self._buffer: list[bytes] = []
        self._paused = False
        self._reading = True

    def set_reading(self, reading: bool) -> None:
        """Pause or resume reading, independently of `pause_reading` and `resume_reading`."""
        if reading != self._reading:
            self._reading = reading
            if self.is_closing():
                return
            if not reading:
                self._inner.pause_reading()
            elif not self._paused:
                self._inner.resume_reading()

    def pause_reading(self) -> None:
        """Pause reading."""
        self._paused = True
        self._inner.pause_reading()

    def resume_reading(self) -> None:
        """Resume reading, unless `set_reading` has paused it."""
        self._paused = False
        if self._reading:
            self._inner.resume_reading()

    def write(self, data: bytes) -> None:
        """Buffer data until the next turn of the event loop."""
        if not self._buffer:
            self._loop.call_soon(self._flush)
        self._buffer.append(data)

    def write_whole(self, data: bytes) -> None:
        """Write a whole response now, or after what is buffered."""
        if self._buffer:
            self._buffer.append(data)
        elif not self.is_closing():
            self._inner.write(data)

    def close(self) -> None:
        """Close after writing what is buffered."""
        self._flush()
        if self._inner.is_closing() or self._must_linger is None or not self._must_linger():
            self._inner.close()
        elif not self._lingering:
            self._lingering = True
            self._inner.resume_reading()
            self._inner.write_eof()

    def detach(self) -> None:
        """Drop the callback of a lost connection: it and the transport refer to each other."""
        self._must_linger = None

    def is_closing(self) -> bool:
        """Return whether nothing more will be written."""
        return self._lingering or self._inner.is_closing()

    def _flush(self) -> None:
        if self._buffer:
            data = b"".join(self._buffer)
            self._buffer.clear()
            if not self.is_closing():  # else the client has disconnected
                self._inner.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
