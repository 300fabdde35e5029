"""One write per answer: uvicorn's HTTP protocol on a transport that holds writes for a moment.

uvicorn writes the head of an answer and its body separately, and uvloop hands each write to the
kernel at once: two system calls and two packets per request. Held back until the event loop's
next turn, head and body, and all pipelined answers of a connection, leave together.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import uvicorn.config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LAST_REQUEST_SECONDS = 0.5
"""How long an idle connection stays open when the server stops."""


class CorkedTransport:
    """A transport whose writes of one turn of the event loop leave as one.

    Everything but writing and closing is the inner transport's own.
    """

    __slots__ = ("_held", "_inner", "_loop")

    def __init__(self, inner: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._inner = inner
        self._loop = loop
        self._held: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Hold data until the next turn of the event loop."""
        if not self._held:
            self._loop.call_soon(self._release)
        self._held.append(data)

    def close(self) -> None:
        """Close after what is held has been handed over."""
        self._release()
        self._inner.close()

    def _release(self) -> None:
        if self._held:
            data = b"".join(self._held)
            self._held.clear()
            if not self._inner.is_closing():  # else the client has gone: nobody to tell
                self._inner.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class CorkedProtocol(HttpToolsProtocol):
    """uvicorn's httptools protocol on a corked transport."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as the base class
        """Take a new connection."""
        super().connection_made(CorkedTransport(transport, self.loop))  # type: ignore[arg-type] # behaves as one
        self._stopping = False

    def on_headers_complete(self) -> None:
        """Take a new request; while the server stops, its answer is the connection's last."""
        super().on_headers_complete()
        if self._stopping and self.cycle is not None:
            self.cycle.keep_alive = False

    def shutdown(self) -> None:
        """Stop with an answer that says so, not with a closed door.

        uvicorn closes idle connections at once; a request that is on its way at that moment would
        get no answer. Here it is answered, with ``connection: close``.
        """
        self._stopping = True
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(LAST_REQUEST_SECONDS, self._close_if_idle)
        else:
            super().shutdown()

    def _close_if_idle(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()


def install() -> None:
    """Make this the protocol of the server that BentoML is about to start in this process.

    uvicorn's access log goes with it: it formats a line per request before it asks whether
    anybody wants to read it.
    """
    uvicorn.config.HTTP_PROTOCOLS["auto"] = f"{__name__}:{CorkedProtocol.__name__}"
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()
    access.propagate = False
