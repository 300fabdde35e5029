"""uvicorn's HTTP/1.1 protocol with limits, and with a fast path for predictions.

A request takes one of two paths, chosen when its head is complete (`on_headers_complete`):

Fast path
    For a `POST /predict_delay` with usual headers. Its body is collected in a `RequestCycle` and
    given to `PredictDelay.submit`, which calls back with the response, written in one piece.
ASGI path
    For all other requests. uvicorn's own methods build a scope, a cycle, an event and a task and
    call the application through four coroutines. For a prediction that costs more than the
    prediction itself. The response is the same.

uvicorn has no limits where this class has them: it parses at once all that has arrived, keeps
trailers and any number of headers, waits for an incomplete request for ever, and at a stop closes
idle connections whose next request is on its way. The methods stand in the order in which a
connection and its requests use them. README.md lists what is used of uvicorn.
"""

from __future__ import annotations

import asyncio
from fcntl import ioctl
from functools import partial
from math import inf
from termios import FIONREAD
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from serving.api import request_id
from serving.api.asgi import Headers
from serving.api.large_requests import LARGE_BODY
from serving.api.predict import TIMEOUT_HEADER, Abandon, IdHeaders, PredictDelay, reply_with_problem
from serving.errors import (
    BadRequest,
    HeadTooLarge,
    Overloaded,
    ProblemError,
    RequestTimeout,
    TooLarge,
)
from serving.http.admission import Admission
from serving.http.context import ConnectionContext
from serving.http.heads import check_head, is_host, without_upgrade
from serving.http.responses import closing_response, lines
from serving.http.transport import CorkedTransport

MAX_HEAD_BYTES = 32_768
"""Longest head of a request."""

MAX_HEADERS = 256
"""Per request: the shortest headers take forty times the memory of their bytes."""

MAX_PIPELINED = 100
"""Requests of one connection that may wait; beyond it, nothing more is parsed."""

HEAD_PIECE, BODY_PIECE = 4_096, 16_384
"""Bytes given to the parser at a time: they bound how far `MAX_PIPELINED` is exceeded."""

MAX_BYTES_PER_TURN = 32_768
"""Bytes that one connection parses in one turn of the event loop."""

LINGER_SECONDS = 2.0
"""How long a refused client may go on sending; what it sends is discarded."""

LAST_REQUEST_SECONDS = 0.5
"""How long an idle connection stays open when the server stops."""

HEALTH_CHECKS = frozenset({b"/livez", b"/healthz", b"/readyz"})
"""Paths that are answered beyond the limit of connections, too."""

_METHOD, _PATH = b"POST", b"/predict_delay"
_ASGI_HEADERS = frozenset(
    {
        b"content-encoding",
        b"content-type",
        b"expect",
        b"transfer-encoding",
        b"upgrade",
        b"connection",
    }
)
"""Headers that put a request on the ASGI path, except those in `_USUAL_HEADERS`."""
_USUAL_HEADERS = frozenset({(b"content-type", b"application/json"), (b"connection", b"keep-alive")})

_TIMEOUT = RequestTimeout("The request did not arrive whole in time.")
_TOO_LONG = TooLarge("No request of the service is that long: send fewer flights.")
_LONG_HEAD = HeadTooLarge("The head of the request is too long.")
_NOT_HTTP = BadRequest("What arrived cannot be read as HTTP/1.1.")
# The errors above are only written. One that is raised is made each time: its traceback refers to
# the connection, and grows with each raise.
_MANY_HEADERS = "The request has too many headers."
_CONNECT = "This is not a proxy: there is no CONNECT."


def _over_limit() -> Overloaded:
    return Overloaded("too many connections are open", headers=((b"retry-after", b"1"),))


class RequestCycle:
    """Request on the fast path, with the attributes that uvicorn's protocol uses of its own cycle.

    Attributes
    ----------
    timeout
        Value of the header that limits the time of the request.
    id_headers
        Headers by which the client identifies the request.
    abandon
        Gives up the work when the client has disconnected; ``None`` when there is none to give up.
    keep_alive
        Set to False by uvicorn when it stops: the connection ends with this response.
    """

    __slots__ = (
        "abandon",
        "body",
        "disconnected",
        "id_headers",
        "keep_alive",
        "response_complete",
        "timeout",
    )

    message_event = asyncio.Event()
    """uvicorn sets it to wake the task of a request; here nothing waits for it."""

    def __init__(self, timeout: bytes | None, id_headers: IdHeaders) -> None:
        self.timeout = timeout
        self.id_headers = id_headers
        self.body = b""
        self.abandon: Abandon | None = None
        self.keep_alive = True
        self.disconnected = False
        self.response_complete = False


class FastPathProtocol(HttpToolsProtocol):
    """Protocol of one connection.

    Parameters
    ----------
    context
        State that all connections of the process share.

    Attributes
    ----------
    last_progress, timeout
        For `IdleConnectionReaper`, which calls `expire` when `timeout` seconds have passed since
        `last_progress`; infinite while the service, not the client, is expected to act.
    """

    transport: CorkedTransport  # type: ignore[assignment] # has the methods of a transport
    cycle: RequestCycle | RequestResponseCycle  # type: ignore[assignment] # see RequestCycle

    def __init__(self, context: ConnectionContext, **of_uvicorn: Any) -> None:
        super().__init__(**of_uvicorn)
        self._context = context
        self._predict = context.predict
        self._reaper = context.reaper
        self._active_cycle: RequestCycle | RequestResponseCycle | None = None
        """The request that is answered now; `cycle` is the last one read."""
        self._receiving = False
        """Whether a request has begun to arrive and is not complete."""
        self._in_head = False
        self._received_bytes = 0
        self._unparsed = b""
        self._parse_scheduled = False
        self._eof = False
        self._over_limit = False
        self._stopping = False
        self._pending_error: ProblemError | None = None
        """Sent before the connection is closed, after the responses to all complete requests."""
        self.last_progress = inf
        self.timeout = inf

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as the base class
        """Accept a new connection, or refuse it where too many are open."""
        super().connection_made(CorkedTransport(transport, self.loop, self._must_linger))  # type: ignore[arg-type] # has its methods
        admission = self._context.admissions.admit(transport.get_extra_info("socket").fileno())
        if admission is Admission.REFUSED:
            transport.write(closing_response(_over_limit()))
            transport.close()
            return
        self._over_limit = admission is Admission.OVER_LIMIT
        self._reaper.add(self, self.loop)
        self.last_progress, self.timeout = self.loop.time(), self._read_seconds

    def connection_lost(self, exc: Exception | None) -> None:
        """Abandon the work for a client that has disconnected, and drop what is not parsed."""
        active = self._active_cycle
        if active is not None and not active.response_complete:
            active.disconnected = True
            active.message_event.set()
            if isinstance(active, RequestCycle) and active.abandon is not None:
                active.abandon()
                active.abandon = None
        self._reaper.remove(self)
        self._unparsed = b""
        super().connection_lost(exc)
        self.transport.detach()

    # --- Bytes: from the socket to the parser ---

    def data_received(self, data: bytes) -> None:
        """Parse what the client has sent, unless the connection is about to be closed."""
        if self._pending_error is None and not self.transport.is_closing():
            self._unparsed = self._unparsed + data if self._unparsed else data
            self._parse_pending()

    def eof_received(self) -> bool:  # type: ignore[override] # asyncio reads the result
        """Keep the connection open for the responses to all requests that arrived complete.

        A client that has half-closed may still read. Its requests are processed like any other's,
        unless it resets the connection.
        """
        self._eof = True
        if self.transport.is_closing():
            return False
        if not self._unparsed:
            self._finish_input()
        return True

    def _finish_input(self) -> None:
        """Drop an incomplete request, and close once those before it are answered."""
        if self._pending_error is not None:
            return
        earlier_pending, _ = self._drop_incomplete_request()
        self._receiving = False
        if earlier_pending:
            self._restart_timeout()
        else:
            self.transport.close()

    def _parse_pending(self) -> None:
        """Parse what has arrived, within the limits for one turn and for pipelined requests.

        A pipelined request takes some hundred times the memory of its bytes. What exceeds the
        limit is kept as bytes, and reading from the socket is paused meanwhile.
        """
        left = MAX_BYTES_PER_TURN
        while self._unparsed and len(self.pipeline) < MAX_PIPELINED:
            if left <= 0:
                self._schedule_parse()
                break
            size = BODY_PIECE if self._receiving and not self._in_head else HEAD_PIECE
            piece, self._unparsed = self._unparsed[:size], self._unparsed[size:]
            left -= len(piece)
            self._parse_piece(piece)
            if self._pending_error is not None or self.transport.is_closing():
                self._unparsed = b""
        self.transport.set_reading(not self._unparsed)
        if self._eof and not self._unparsed and not self.transport.is_closing():
            self._finish_input()

    def _parse_piece(self, piece: bytes) -> None:
        if self._receiving:
            self._received_bytes += len(piece)
            limit = MAX_HEAD_BYTES if self._in_head else self._context.max_message_bytes
            if self._received_bytes > limit:
                self._refuse_and_close(_LONG_HEAD if self._in_head else _TOO_LONG)
                return
        try:
            self._feed_parser(piece)
        except httptools.HttpParserError as error:
            cause = error.__context__  # what a callback raised
            self._refuse_and_close(cause if isinstance(cause, ProblemError) else _NOT_HTTP)

    def _schedule_parse(self) -> None:
        """Parse the rest in the next turn of the event loop."""
        if not self._parse_scheduled:
            self._parse_scheduled = True
            self.loop.call_soon(self._parse_scheduled_rest)

    def _parse_scheduled_rest(self) -> None:
        self._parse_scheduled = False
        if self._unparsed and not self.transport.is_closing():
            self._parse_pending()

    def _feed_parser(self, data: bytes) -> None:
        """Feed the parser; ignore offers to upgrade to another protocol.

        The parser stops after a head with such an offer. A new parser gets the head without it,
        then what follows. Each head is replayed once at most: an offer that is found within a
        replayed head is refused.
        """
        replayed = 0
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                consumed = offer.args[0]
                if consumed <= replayed:
                    self._refuse_and_close(_NOT_HTTP)
                    return
                version = self.parser.get_http_version()
                head = without_upgrade(self.parser.get_method(), self.url, version, self.headers)
                data, replayed = head + data[consumed:], len(head)
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn
            else:
                return

    # --- Requests: callbacks of the parser ---

    def on_message_begin(self) -> None:
        """Start a request; uvicorn would build its scope here, which only the ASGI path needs."""
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._receiving = self._in_head = True
        self._received_bytes = 0
        self._set_timeout(self._read_seconds)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Store a header; the trailers of a chunked body are ignored."""
        if not self._in_head:
            return
        if len(self.headers) >= MAX_HEADERS:
            raise HeadTooLarge(_MANY_HEADERS)
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        # the parser removes the blanks before a value, but not those after it
        self.headers.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        """Choose the path of a request."""
        if self._offers_upgrade():
            return
        if self._over_limit:
            self._refuse_over_limit()
        cycle = self._fast_path_cycle()
        if cycle is None:
            self._begin_asgi_path()
        else:
            self.cycle = cycle
        self._in_head = False
        if self._stopping or self._over_limit:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Store a piece of a body."""
        cycle = self.cycle
        if isinstance(cycle, RequestCycle):
            cycle.body = cycle.body + body if cycle.body else body
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Submit a complete request of the fast path, or wake the task of the ASGI path."""
        if self._offers_upgrade():
            return
        self._receiving = False
        cycle = self.cycle
        if isinstance(cycle, RequestCycle) and self._predict is not None:
            self._submit(cycle, self._predict)
        else:
            super().on_message_complete()
        self._restart_timeout()

    def _offers_upgrade(self) -> bool:
        """Return whether the head offers another protocol; then `_feed_parser` replays it.

        Raises
        ------
        BadRequest
            If the method is CONNECT, which is such an offer for the parser.
        """
        if not self.parser.should_upgrade():
            return False
        if self.parser.get_method() == b"CONNECT":
            raise BadRequest(_CONNECT)
        return True

    def _refuse_over_limit(self) -> None:
        """Refuse all but health checks while too many connections are open.

        The error response waits for the head of the request: one that is sent earlier is lost,
        because a client that is still sending gets a reset.

        Raises
        ------
        Overloaded
        """
        self._over_limit = self._context.admissions.over_limit
        if self._over_limit and self.url not in HEALTH_CHECKS:
            self._context.admissions.count_refused()
            raise _over_limit()

    # --- Fast path ---

    def _fast_path_cycle(self) -> RequestCycle | None:
        """Return the cycle of a request that can take the fast path."""
        if self.url != _PATH or self._predict is None or self._busy() or self.flow.write_paused:
            return None
        if self.parser.get_method() != _METHOD or self.parser.get_http_version() != "1.1":
            return None
        length, hosts, timeout = 0, 0, None
        id_headers: IdHeaders = []
        for header in self.headers:
            name, value = header
            if name == b"content-length":
                length = int(value)
            elif name == b"host":
                hosts += 1 if is_host(value) else 2
            elif name in _ASGI_HEADERS:
                if header not in _USUAL_HEADERS:
                    return None
            elif name == TIMEOUT_HEADER:
                timeout = value
            elif name in request_id.HEADERS:
                id_headers.append(header)
        return (
            RequestCycle(timeout, id_headers) if hosts == 1 and 0 < length <= LARGE_BODY else None
        )

    def _submit(self, cycle: RequestCycle, predict: PredictDelay) -> None:
        self._active_cycle = cycle
        respond = partial(self._respond, cycle)
        if self._context.keys is not None:
            try:
                self._context.keys.authenticate(self.headers)
            except ProblemError as error:
                reply_with_problem(respond, error, cycle.id_headers)
                return
        cycle.abandon = predict.submit(cycle.body, cycle.timeout, respond, cycle.id_headers)

    def _respond(self, cycle: RequestCycle, status: int, body: bytes, headers: Headers) -> None:
        """Write the response to a request of the fast path."""
        cycle.abandon = None  # it refers to this connection: such a circle costs the GC time
        if cycle.disconnected:
            return
        id_lines = lines(request_id.response_headers(cycle.id_headers))
        head = self._context.heads.head(status, headers, self.server_state.default_headers)
        end = b"\r\n\r\n" if cycle.keep_alive else b"\r\nconnection: close\r\n\r\n"
        response = b"%b%bcontent-length: %d%b%b" % (head, id_lines, len(body), end, body)
        self.transport.write_whole(response)
        cycle.response_complete = True
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()

    # --- ASGI path ---

    def _begin_asgi_path(self) -> None:
        """Start the request as uvicorn does, which calls the application."""
        check_head(self.parser.get_http_version(), self.headers)
        url, headers, expect = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expect
        self.headers.extend(headers)
        super().on_headers_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._active_cycle = cycle
        super()._start_asgi_task(cycle, app)

    # --- Responses of both paths ---

    def on_response_complete(self) -> None:
        """Continue with the next request that has arrived, or wait for one."""
        if self.pipeline:
            super().on_response_complete()
            if self._unparsed and not self.pipeline:
                self._schedule_parse()
            return
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self._pending_error is not None:
            self._receiving = True  # the client may still be sending: see `_must_linger`
            self.transport.write(closing_response(self._pending_error))
            self.transport.close()
            return
        self.flow.resume_reading()
        if self._unparsed:
            self._schedule_parse()
        elif self._eof:
            self.transport.close()
        if not self._receiving:
            self._set_timeout(self._context.idle_seconds)

    def _busy(self) -> bool:
        """Return whether a request of this connection is not answered yet."""
        return self.cycle is not None and not self.cycle.response_complete

    def _refuse_and_close(self, error: ProblemError) -> None:
        """Refuse the incomplete request and close, once all requests before it are answered.

        A client reads responses in the order of its requests: an error response that comes too
        early would be taken for the response to another request. A request that has been answered
        already is not refused as well. A client that does not read is not waited for.
        """
        earlier_pending, answered = self._drop_incomplete_request()
        self.last_progress = inf
        if earlier_pending and not self.flow.write_paused:
            self._pending_error = error
            return
        if not earlier_pending and not answered:
            self.transport.write(closing_response(error))
        self.transport.close()

    def _drop_incomplete_request(self) -> tuple[bool, bool]:
        """Remove the incomplete request from the queue, if there is one.

        Returns
        -------
        Whether earlier requests are not answered yet, and whether the incomplete one is.
        """
        cycle = self.cycle
        if not self._receiving or self._in_head or cycle is None:  # it has no cycle yet
            return self._busy(), False
        if self.pipeline and self.pipeline[0][0] is cycle:
            self.pipeline.popleft()
            return True, False
        return False, cycle.response_complete

    def _must_linger(self) -> bool:
        """Return whether the client is still sending; if so, give it time to read the response."""
        if self._receiving:
            self._set_timeout(LINGER_SECONDS)
        return self._receiving

    # --- Timeouts, for IdleConnectionReaper ---

    @property
    def _read_seconds(self) -> float:
        return LINGER_SECONDS if self._over_limit else self._context.read_seconds

    @property
    def idle(self) -> bool:
        """Whether no request is arriving or being answered."""
        return not (
            self._receiving
            or self._unparsed
            or self._busy()
            or self.flow.write_paused
            or self.transport.is_closing()
        )

    @property
    def has_unread_bytes(self) -> bool:
        """Whether bytes have arrived that are not read from the socket yet."""
        descriptor = self.transport.get_extra_info("socket").fileno()
        return bool(any(ioctl(descriptor, FIONREAD, bytes(4))))

    def expire(self) -> None:
        """Close the connection; where it is closing already, without waiting for the client."""
        if self.transport.is_closing():
            self.transport.abort()
        elif not self._receiving:
            self.transport.close()
        elif (self._unparsed or self.flow.read_paused) and not self.flow.write_paused:
            self._set_timeout(self._context.read_seconds)  # the service has paused reading
        else:
            self._refuse_and_close(_TIMEOUT)

    def _set_timeout(self, seconds: float) -> None:
        """Have the connection expire after some seconds without progress."""
        self.last_progress, self.timeout = self._reaper.now, seconds

    def _restart_timeout(self) -> None:
        """Stop the timeout while a request is processed, unless the client does not read."""
        if self._busy() and not self.flow.write_paused:
            self.last_progress = inf
        else:
            self._set_timeout(self._context.idle_seconds)

    def pause_writing(self) -> None:
        """Limit the time of a client that does not read its responses to that of an idle one."""
        super().pause_writing()
        self._set_timeout(self._context.idle_seconds)

    def resume_writing(self) -> None:
        """Continue when the client has read."""
        super().resume_writing()
        if not self._receiving:
            self._restart_timeout()

    # --- Stop of the server ---

    def shutdown(self) -> None:
        """Stop after the current request, or shortly after where there is none.

        uvicorn closes idle connections at once: a request that is on its way at that moment gets no
        response. Here it is answered, with ``connection: close``.
        """
        self._stopping = True
        if self._busy():
            super().shutdown()
        else:
            self.loop.call_later(LAST_REQUEST_SECONDS, self._close_if_idle)

    def _close_if_idle(self) -> None:
        if self._receiving or self._unparsed:
            self.loop.call_later(LAST_REQUEST_SECONDS, self._close_if_idle)
        elif not self._busy():
            self.transport.close()
