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
from serving.errors import HeadTooLarge, Overloaded, Refusal, RequestTimeout, TooLarge
from serving.predict import TIMEOUT_HEADER, Abandon, PredictDelay
from serving.settings import Settings
from serving.sweeper import Sweeper
from serving.transport import CorkedTransport

LONGEST_HEAD = 32_768
"""Bytes after which a head that is still not whole is refused."""

LINGER_SECONDS = 2.0
"""How long a client that is being refused may go on sending; nothing of it is kept."""

LAST_REQUEST_SECONDS = 0.5
"""How long an idle connection stays open when the server stops."""

_METHOD, _PATH, _VERSION = b"POST", b"/predict_delay", "1.1"
_UNUSUAL = frozenset(
    {b"content-encoding", b"expect", b"transfer-encoding", b"upgrade", b"connection"}
)
"""Headers whose handling is left to uvicorn and the front door."""


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
        self._known: dict[tuple[int, Headers], bytes] = {}

    def head(self, status: int, headers: Headers, server: list[tuple[bytes, bytes]]) -> bytes:
        """Return the head but for what differs from request to request."""
        if server is not self._seen:
            self._fixed, self._seen = _lines((*server, *PROTECTION)), server
            self._known.clear()
        head = self._known.get((status, headers))
        if head is None:
            head = STATUS_LINE[status] + self._fixed + _lines(headers)
            self._known[status, headers] = head
        return head


def _lines(headers: Any) -> bytes:
    return b"".join(b"%b: %b\r\n" % header for header in headers)


def _whole(refusal: Refusal) -> bytes:
    """A refusal after which the connection is closed, as the server writes it."""
    status, body, headers = problem(refusal)
    head = STATUS_LINE[status] + _lines((*PROTECTION, *headers))
    return b"%bcontent-length: %d\r\nconnection: close\r\n\r\n%b" % (head, len(body), body)


TOO_SLOW = _whole(RequestTimeout("The request did not arrive whole in time."))
TOO_LONG = _whole(TooLarge("No request of the service is that long: send fewer flights."))
TOO_LONG_HEAD = _whole(HeadTooLarge("The head of the request is too long."))
TOO_MANY = _whole(Overloaded("too many connections are open", headers=((b"retry-after", b"1"),)))


@dataclass(frozen=True)
class House:
    """What all connections of a process share.

    Attributes
    ----------
    predict
        Answers prediction requests; ``None`` where there is no short way.
    max_message_bytes
        Longest request on the wire, chunks, their extensions and trailers included.
    max_connections
        Those beyond are told so and closed.
    read_seconds
        How long a request may take to arrive.
    idle_seconds
        How long a connection is kept between requests.
    """

    predict: PredictDelay | None
    max_message_bytes: int
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
        self._head = False
        self._received = 0
        self._stopping = False
        self.quiet_since = inf
        self.patience = inf

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as the base class
        """Take a new connection, unless there are too many."""
        super().connection_made(CorkedTransport(transport, self.loop, self._linger))  # type: ignore[arg-type] # behaves as one
        if len(self._sweeper) >= self._house.max_connections:
            metrics.tally.refused_for(Overloaded.kind)
            transport.write(TOO_MANY)
            transport.close()
            return
        self._sweeper.add(self, self.loop)
        self._expect(self._house.read_seconds)

    def data_received(self, data: bytes) -> None:
        """Take what the client has sent, unless a request gets longer than any may be."""
        if self.transport.is_closing():
            return
        if self._reading:
            self._received += len(data)
            if self._received > (LONGEST_HEAD if self._head else self._house.max_message_bytes):
                self.transport.write(TOO_LONG_HEAD if self._head else TOO_LONG)
                self.transport.close()
                return
        super().data_received(data)

    def cut(self) -> None:
        """Close the connection; a second time, without waiting for the client to read."""
        if self.transport.is_closing():
            self.transport.abort()
            return
        if self._reading:
            metrics.tally.refused_for(RequestTimeout.kind)
            self.transport.write(TOO_SLOW)
        self.transport.close()

    def _linger(self) -> bool:
        """Whether to wait a moment for a client that is still sending before it is cut off."""
        if self._reading:
            self._expect(LINGER_SECONDS)
        return self._reading

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
        self.transport.let_go()  # type: ignore[attr-defined] # corked

    def on_message_begin(self) -> None:
        """Start a request; its scope is made only if it goes the long way."""
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._reading = self._head = True
        self._received = 0
        self._expect(self._house.read_seconds)

    def on_headers_complete(self) -> None:
        """Choose the way of a request."""
        self._head = False
        self._exchange = self._short_way()
        if self._exchange is None:
            self._take_long_way()
        else:
            self.cycle = self._exchange  # type: ignore[assignment] # looks like one of its cycles
        if self._stopping and self.cycle is not None:
            self.cycle.keep_alive = False

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
            exchange.abandon = self._predict.submit(
                exchange.body, exchange.timeout, reply, exchange.names
            )

    def on_response_complete(self) -> None:
        """Go on with what the client has sent already, or wait for its next request."""
        if self.pipeline:
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        if not self.transport.is_closing():
            self.flow.resume_reading()
            self._expect(self._house.idle_seconds)

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
        if self._reading:
            self.loop.call_later(LAST_REQUEST_SECONDS, self._close_if_idle)
        elif self.cycle is None or self.cycle.response_complete:
            self.transport.close()

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
        head = self._house.heads.head(status, headers, self.server_state.default_headers)
        names = _lines(trace.of_request(exchange.names))
        end = b"\r\n\r\n" if exchange.keep_alive else b"\r\nconnection: close\r\n\r\n"
        answer = b"%b%bcontent-length: %d%b%b" % (head, names, len(body), end, body)
        self.transport.write_whole(answer)  # type: ignore[attr-defined] # corked
        exchange.response_complete = True
        if not exchange.keep_alive:
            self.transport.close()
        self.on_response_complete()


def install(predict: PredictDelay | None, settings: Settings) -> None:
    """Make this the protocol of the server that BentoML is about to start in this process.

    uvicorn's access log goes with it: it formats a line per request before it asks whether
    anybody wants to read it.
    """
    house = House(
        predict,
        max_message_bytes=2 * settings.max_body_bytes,
        max_connections=settings.max_connections,
        read_seconds=settings.read_seconds,
        idle_seconds=settings.idle_seconds,
    )
    protocol: Callable[..., asyncio.Protocol] = partial(ShortWayProtocol, house)
    uvicorn.config.HTTP_PROTOCOLS["auto"] = protocol  # type: ignore[assignment] # it takes a class too
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()
    access.propagate = False
