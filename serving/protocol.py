"""The hot path's last metres: uvicorn's HTTP protocol, with a short way for predictions.

For every request uvicorn builds a scope, a cycle, an event and a task, and calls the application
through four coroutines; for a prediction that costs more than the prediction itself. A plain
`POST /predict_delay` takes the short way instead: once its body is complete, it is handed over
with a callback, and the answer is written as one piece. All that is not plain (another route, a
large or chunked body, an unusual header, a pipelined request, a client that does not read) goes
uvicorn's own way, through ASGI, and gets the same answer there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from math import inf
from typing import Any

import uvicorn.config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from serving import metrics, trace
from serving.asgi import PROTECTION, Headers, problem
from serving.bulk import LARGE_BODY
from serving.errors import Overloaded, Refusal, TooSlow
from serving.predict import TIMEOUT_HEADER, Abandon, PredictDelay
from serving.settings import Settings
from serving.sweeper import Sweeper

_METHOD, _PATH, _VERSION = b"POST", b"/predict_delay", "1.1"
_UNUSUAL = frozenset(
    {b"content-encoding", b"expect", b"transfer-encoding", b"upgrade", b"connection"}
)
"""Headers whose handling is left to uvicorn and the front door."""


class CorkedTransport:
    """A transport whose writes of one turn of the event loop leave as one.

    uvicorn writes the head of an answer and its body separately, and uvloop hands each write to
    the kernel: two system calls and two packets per request. Held back until the event loop's
    next turn they leave together. Everything but writing and closing is the inner transport's.
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

    def write_whole(self, data: bytes) -> None:
        """Write a whole answer now, unless something before it is still held."""
        if self._held:
            self._held.append(data)
        elif not self._inner.is_closing():
            self._inner.write(data)

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


class _NoEvent:
    """Stands where uvicorn's cycle has an event that wakes its task: here there is no task."""

    def set(self) -> None:
        """Wake nobody."""


class Exchange:
    """A request on the short way. uvicorn's protocol takes it for one of its own cycles."""

    __slots__ = (
        "abandon",
        "body",
        "disconnected",
        "keep_alive",
        "names",
        "response_complete",
        "timeout",
    )

    message_event = _NoEvent()

    def __init__(self, timeout: bytes | None, names: list[tuple[bytes, bytes]]) -> None:
        self.timeout = timeout
        self.names = names
        """Headers by which the client names its request."""
        self.body = b""
        self.abandon: Abandon | None = None
        self.keep_alive = True
        """Set to False by uvicorn when it shuts down: the connection ends with this answer."""
        self.disconnected = False
        self.response_complete = False


class Heads:
    """Heads of answers as bytes, with the headers that the server puts on every answer.

    The server replaces the list of those once a second, because of the date.
    """

    def __init__(self) -> None:
        self._seen: object = None
        self._fixed = b""

    def head(self, status: int, headers: Headers, server: list[tuple[bytes, bytes]]) -> bytes:
        """Return the head up to the length of the body."""
        if server is not self._seen:
            self._fixed, self._seen = _lines((*server, *PROTECTION)), server
        return STATUS_LINE[status] + self._fixed + _lines(headers) + b"content-length: "


def _lines(headers: Any) -> bytes:
    return b"".join(b"%b: %b\r\n" % header for header in headers)


def _whole(refusal: Refusal) -> bytes:
    """A refusal after which the connection is closed, as the server writes it."""
    status, body, headers = problem(refusal)
    head = STATUS_LINE[status] + _lines((*PROTECTION, *headers))
    return b"%bcontent-length: %d\r\nconnection: close\r\n\r\n%b" % (head, len(body), body)


TOO_SLOW = _whole(TooSlow("The request did not arrive whole in time."))
TOO_MANY = _whole(Overloaded("too many connections are open", headers=((b"retry-after", b"1"),)))


@dataclass(frozen=True)
class House:
    """What all connections of a process share.

    Attributes
    ----------
    predict
        Answers prediction requests; ``None`` where there is no short way.
    max_connections
        Those beyond are told so and closed.
    read_seconds
        How long a request may take to arrive.
    idle_seconds
        How long a connection is kept between requests.
    """

    predict: PredictDelay | None
    max_connections: int
    read_seconds: float
    idle_seconds: float
    sweeper: Sweeper = field(default_factory=Sweeper)
    heads: Heads = field(default_factory=Heads)


class ShortWayProtocol(HttpToolsProtocol):
    """uvicorn's httptools protocol on a corked transport, with the short way.

    A connection is cut where a request does not get complete in time, and where none comes for
    as long as uvicorn keeps connections alive.

    Parameters
    ----------
    house
        What all connections of the process share.
    """

    def __init__(self, house: House, **of_uvicorn: Any) -> None:
        super().__init__(**of_uvicorn)
        self._house = house
        self._predict = house.predict
        self._sweeper = house.sweeper
        self._exchange: Exchange | None = None
        self._reading = False
        self.quiet_since = inf
        self.patience = inf

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as the base class
        """Take a new connection, unless there are too many."""
        super().connection_made(CorkedTransport(transport, self.loop))  # type: ignore[arg-type] # behaves as one
        if len(self._sweeper) >= self._house.max_connections:
            metrics.tally.refused_for(Overloaded.kind)
            transport.write(TOO_MANY)
            transport.close()
            return
        self._sweeper.add(self, self.loop)
        self._expect(self._house.read_seconds)

    def cut(self) -> None:
        """Close the connection; a second time, without waiting for the client to read."""
        if self.transport.is_closing():
            self.transport.abort()
            return
        if self._reading:
            metrics.tally.refused_for(TooSlow.kind)
            self.transport.write(TOO_SLOW)
        self.transport.close()

    def _expect(self, seconds: float) -> None:
        """Have the connection cut unless it gets further within some seconds."""
        self.quiet_since, self.patience = self._sweeper.now, seconds

    def connection_lost(self, exc: Exception | None) -> None:
        """Drop what was being worked on for the client that has left."""
        self._sweeper.remove(self)
        exchange = self._exchange
        if exchange is not None and not exchange.response_complete:
            exchange.disconnected = True
            if exchange.abandon is not None:
                exchange.abandon()
                exchange.abandon = None
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Start a request; its scope is made only if it goes the long way."""
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._reading = True
        self._expect(self._house.read_seconds)

    def on_headers_complete(self) -> None:
        """Choose the way of a request."""
        self._exchange = self._short_way()
        if self._exchange is None:
            self._take_long_way()
        else:
            self.cycle = self._exchange  # type: ignore[assignment] # looks like one of its cycles

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body."""
        exchange = self._exchange
        if exchange is None:
            super().on_body(body)
        else:
            exchange.body = exchange.body + body if exchange.body else body

    def on_message_complete(self) -> None:
        """Hand over a request whose body is complete."""
        self._reading = False
        self.quiet_since = inf
        exchange = self._exchange
        if exchange is None or self._predict is None:
            super().on_message_complete()
        else:
            reply = partial(self._reply, exchange)
            exchange.abandon = self._predict.submit(exchange.body, exchange.timeout, reply)

    def on_response_complete(self) -> None:
        """Go on with what the client has sent already, or wait for its next request."""
        if self.pipeline:
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        if not self.transport.is_closing():
            self.flow.resume_reading()
            self._expect(self._house.idle_seconds)

    def _short_way(self) -> Exchange | None:
        """The exchange of a request that is plain in every respect."""
        if not self._is_plain():
            return None
        length, timeout = 0, None
        names: list[tuple[bytes, bytes]] = []
        for name, value in self.headers:
            if name == b"content-length":
                length = int(value)
            elif name == b"content-type":
                if value != b"application/json":
                    return None
            elif name in _UNUSUAL:
                if name != b"connection" or value != b"keep-alive":
                    return None
            elif name == TIMEOUT_HEADER:
                timeout = value
            elif name in trace.NAMES:
                names.append((name, value))
        return Exchange(timeout, names) if 0 < length <= LARGE_BODY else None

    def _is_plain(self) -> bool:
        """Whether the first line of a request, and the connection, allow the short way."""
        busy = self.cycle is not None and not self.cycle.response_complete
        if self.url != _PATH or self._predict is None or busy or self.flow.write_paused:
            return False
        parser = self.parser
        return bool(parser.get_method() == _METHOD and parser.get_http_version() == _VERSION)

    def _take_long_way(self) -> None:
        url, headers, expect = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expect
        self.headers.extend(headers)
        super().on_headers_complete()

    def _reply(self, exchange: Exchange, status: int, body: bytes, headers: Headers) -> None:
        exchange.abandon = None  # what it refers to refers to us: leave no work to the collector
        if exchange.disconnected:
            return
        headers = (*headers, *trace.of_request(exchange.names))
        head = self._house.heads.head(status, headers, self.server_state.default_headers)
        end = b"\r\n\r\n" if exchange.keep_alive else b"\r\nconnection: close\r\n\r\n"
        self.transport.write_whole(b"%b%d%b%b" % (head, len(body), end, body))  # type: ignore[attr-defined] # corked
        exchange.response_complete = True
        if not exchange.keep_alive:
            self.transport.close()
        self.on_response_complete()


def install(predict: PredictDelay | None, settings: Settings) -> None:
    """Make this the protocol of the server that BentoML is about to start in this process.

    uvicorn's access log goes with it: it formats a line per request before it asks whether
    anybody wants to read it.
    """
    house = House(predict, settings.max_connections, settings.read_seconds, settings.idle_seconds)
    protocol: Callable[..., asyncio.Protocol] = partial(ShortWayProtocol, house)
    uvicorn.config.HTTP_PROTOCOLS["auto"] = protocol  # type: ignore[assignment] # it takes a class too
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()
    access.propagate = False
