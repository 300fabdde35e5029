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
import re
from fcntl import ioctl
from functools import lru_cache, partial
from math import inf
from termios import FIONREAD
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from serving.api import request_id
from serving.api.asgi import Headers
from serving.api.large_requests import LARGE_BODY
from serving.api.predict import TIMEOUT_HEADER, Abandon, OwnNames, PredictDelay, refuse
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
from serving.http.responses import closing_response, lines
from serving.http.transport import CorkedTransport

LONGEST_HEAD = 32_768
"""Bytes after which a head that is still not whole is refused."""

MOST_HEADERS = 256
"""Of a request: the shortest take forty times the memory of the bytes that they come in."""

MOST_WAITING = 100
"""Requests of a connection that may wait for those before them until more are read."""

PIECE, BODY_PIECE = 4_096, 16_384
"""Bytes that are parsed at a time: at most so many more requests may come to wait."""

READ_AT_ONCE = 32_768
"""Bytes after which a connection lets the event loop turn before more of it is parsed."""

LINGER_SECONDS = 2.0
"""How long a client that is being refused may go on sending; nothing of it is kept."""

LAST_REQUEST_SECONDS = 0.5
"""How long an idle connection stays open when the server stops."""

HEALTH_CHECKS = frozenset({b"/livez", b"/healthz", b"/readyz"})
"""What is answered beyond the limit of connections too."""

_SLOW = RequestTimeout("The request did not arrive whole in time.")
_LONG = TooLarge("No request of the service is that long: send fewer flights.")
_LONG_HEAD = HeadTooLarge("The head of the request is too long.")
_NOT_HTTP = BadRequest("What arrived cannot be read as HTTP/1.1.")
_VERSION = "Send HTTP/1.1 or HTTP/1.0."
_HOST = "Send one Host header: a name or an address, and a port if need be."
_CODING = "The only transfer coding is chunked, and it came with HTTP/1.1."
_CONNECT = "This is not a proxy: there is no CONNECT."

# The texts are of errors that are made when they are raised: the traceback of an error refers to
# the connection, and grows each time that it is raised.

_is_host = re.compile(
    rb"(\[[0-9A-Fa-f:.]+\]|([A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)(:[0-9]*)?"
).fullmatch


@lru_cache(1_024)
def is_host(value: bytes) -> bool:
    """Whether a value may stand in a Host header (RFC 3986, section 3.2); it may be empty."""
    return _is_host(value) is not None


_METHOD, _PATH = b"POST", b"/predict_delay"
_TELLING = frozenset(
    {
        b"content-encoding",
        b"content-type",
        b"expect",
        b"transfer-encoding",
        b"upgrade",
        b"connection",
    }
)
"""Headers whose handling is left to uvicorn and the front door, unless they are `_PLAIN`."""
_PLAIN = frozenset({(b"content-type", b"application/json"), (b"connection", b"keep-alive")})


def _full() -> Overloaded:
    return Overloaded("too many connections are open", headers=((b"retry-after", b"1"),))


class _NoEvent:
    """Stands where uvicorn's cycle has an event that wakes its task: here there is no task."""

    def set(self) -> None:
        """Wake nobody."""


class RequestCycle:
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

    def __init__(self, timeout: bytes | None, names: OwnNames) -> None:
        self.timeout = timeout
        self.names = names
        """Headers by which the client names its request."""
        self.body = b""
        self.abandon: Abandon | None = None
        self.keep_alive = True
        """Set to False by uvicorn when it shuts down: the connection ends with this answer."""
        self.disconnected = False
        self.response_complete = False


class Connection(HttpToolsProtocol):
    """uvicorn's httptools protocol on a corked transport, with limits.

    A connection is cut where a request does not get complete in time, and where none comes for
    as long as uvicorn keeps connections alive.

    Parameters
    ----------
    house
        What all connections of the process share.
    """

    def __init__(self, house: ConnectionContext, **of_uvicorn: Any) -> None:
        super().__init__(**of_uvicorn)
        self._house = house
        self._sweeper = house.sweeper
        self._reading = False
        self._head = False
        self._received = 0
        self._unread = b""
        self._going_on = False
        self._ended = False
        self._extra = False
        self._stopping = False
        self._last_word: ProblemError | None = None
        self.quiet_since = inf
        self.patience = inf

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as the base class
        """Take a new connection, unless there are too many."""
        super().connection_made(CorkedTransport(transport, self.loop, self._linger))  # type: ignore[arg-type] # behaves as one
        admission = self._house.admissions.admit(transport.get_extra_info("socket").fileno())
        if admission is Admission.REFUSED:
            transport.write(closing_response(_full()))
            transport.close()
            return
        self._extra = admission is Admission.EXTRA
        self._sweeper.add(self, self.loop)
        self.quiet_since, self.patience = self.loop.time(), self._read_seconds

    def data_received(self, data: bytes) -> None:
        """Take what the client has sent, unless a request gets longer than any may be."""
        if self._last_word is None and not self.transport.is_closing():
            self._unread = self._unread + data if self._unread else data
            self._read_on()

    def eof_received(self) -> bool:  # type: ignore[override] # asyncio asks for it
        """Stay open for the answers to what the client has sent whole; it may read them still.

        A client that has left says no more than that: its requests are worked on like any other's,
        unless it resets the connection.
        """
        self._ended = True
        if self.transport.is_closing():
            return False
        if not self._unread:
            self._end_reading()
        return True

    def _end_reading(self) -> None:
        """Drop what will never be whole, and close once all that came before it is answered."""
        if self._last_word is not None:
            return
        before, _ = self._state_of_what_is_read()
        self._reading = False
        if not before:
            self.transport.close()
        else:
            self._wait_for_us()

    def _read_on(self) -> None:
        """Parse what has arrived, but no more than may wait for its turn.

        A request that waits takes some hundred times the memory of the few bytes that it may have
        come in: what is not parsed yet is kept as it is, and nothing is read meanwhile.
        """
        left = READ_AT_ONCE
        while self._unread and len(self.pipeline) < MOST_WAITING:
            if left <= 0:
                self._go_on_later()
                break
            size = BODY_PIECE if self._reading and not self._head else PIECE
            piece, self._unread = self._unread[:size], self._unread[size:]
            left -= len(piece)
            self._read(piece)
            if self._last_word is not None or self.transport.is_closing():
                self._unread = b""
        self.transport.want(not self._unread)  # type: ignore[attr-defined] # corked
        if self._ended and not self._unread and not self.transport.is_closing():
            self._end_reading()

    def _read(self, piece: bytes) -> None:
        if self._reading:
            self._received += len(piece)
            if self._received > (LONGEST_HEAD if self._head else self._house.max_message_bytes):
                self._end_with(_LONG_HEAD if self._head else _LONG)
                return
        try:
            self._parse(piece)
        except httptools.HttpParserError as error:
            why = error.__context__  # what a callback raised
            self._end_with(why if isinstance(why, ProblemError) else _NOT_HTTP)

    def _go_on_later(self) -> None:
        """Read on in the next turn of the event loop, if anything is left then."""
        if not self._going_on:
            self._going_on = True
            self.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        self._going_on = False
        if self._unread and not self.transport.is_closing():
            self._read_on()

    def _parse(self, data: bytes) -> None:
        """Parse what has arrived; nothing is upgraded, so offers to do so are overlooked.

        The parser takes all that follows such an offer for the other protocol. A new one is given
        the same head without it, and what follows: once per request, because an offer that is
        found within a head that was given already is refused.
        """
        given = 0
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                consumed = offer.args[0]
                if consumed <= given:
                    self._end_with(_NOT_HTTP)
                    return
                head = self._head_without_offer()
                data, given = head + data[consumed:], len(head)
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn
            else:
                return

    def _head_without_offer(self) -> bytes:
        """Write the head that was read last, without the header that offers another protocol."""
        version = self.parser.get_http_version().encode()
        kept = [each for each in self.headers if each[0] != b"upgrade"]
        return b"%b %b HTTP/%b\r\n%b\r\n" % (
            self.parser.get_method(), self.url, version, lines(kept)
        )  # fmt: skip

    @property
    def _read_seconds(self) -> float:
        return LINGER_SECONDS if self._extra else self._house.read_seconds

    def _refuse_beyond_the_limit(self) -> None:
        """Refuse all but health checks where there are too many connections.

        A refusal that came before the request would be lost: the client may still be sending, and
        then it is reset.

        Raises
        ------
        Overloaded
        """
        self._extra = self._house.admissions.over
        if self._extra and self.url not in HEALTH_CHECKS:
            self._house.admissions.refused()
            raise _full()

    @property
    def idle(self) -> bool:
        """Whether no request is under way, from its first byte to the last of its answer."""
        return not (
            self._reading
            or self._unread
            or self._busy()
            or self.flow.write_paused
            or self.transport.is_closing()
        )

    @property
    def has_more(self) -> bool:
        """Whether bytes have arrived that are not read yet: maybe a request, if it is idle."""
        descriptor = self.transport.get_extra_info("socket").fileno()
        return bool(any(ioctl(descriptor, FIONREAD, bytes(4))))

    def cut(self) -> None:
        """Close the connection; a second time, without waiting for the client to read."""
        if self.transport.is_closing():
            self.transport.abort()
        elif not self._reading:
            self.transport.close()
        elif (self._unread or self.flow.read_paused) and not self.flow.write_paused:
            self._expect(self._house.read_seconds)  # it is we who do not read
        else:
            self._end_with(_SLOW)

    def _end_with(self, refusal: ProblemError) -> None:
        """Refuse what is being read and close, once all that came before it is answered.

        A client reads answers in the order of its requests: one that came too early would pass for
        the answer to another request. What has been answered already is not refused as well; and
        where a client does not read, there is nothing to wait for.
        """
        before, answered = self._state_of_what_is_read()
        self.quiet_since = inf
        if before and not self.flow.write_paused:
            self._last_word = refusal
            return
        if not before and not answered:
            self.transport.write(closing_response(refusal))
        self.transport.close()

    def _state_of_what_is_read(self) -> tuple[bool, bool]:
        """Whether requests before it wait for their answers, and whether it has been answered."""
        cycle = self.cycle
        if not self._reading or self._head or cycle is None:  # it has no cycle yet
            return self._busy(), False
        if self.pipeline and self.pipeline[0][0] is cycle:
            self.pipeline.popleft()
            return True, False
        return False, cycle.response_complete

    def _linger(self) -> bool:
        """Whether to wait a moment for a client that is still sending before it is cut off."""
        if self._reading:
            self._expect(LINGER_SECONDS)
        return self._reading

    def _expect(self, seconds: float) -> None:
        """Have the connection cut unless it gets further within some seconds."""
        self.quiet_since, self.patience = self._sweeper.now, seconds

    def pause_writing(self) -> None:
        """Give a client that does not read its answers as long as an idle one."""
        super().pause_writing()
        self._expect(self._house.idle_seconds)

    def resume_writing(self) -> None:
        """Go on once it has read."""
        super().resume_writing()
        if not self._reading:
            self._wait_for_us()

    def _wait_for_us(self) -> None:
        """Have the connection stay while we are at work, unless the client does not read."""
        if self._busy() and not self.flow.write_paused:
            self.quiet_since = inf
        else:
            self._expect(self._house.idle_seconds)

    def on_message_begin(self) -> None:
        """Start a request; its scope is made only if it goes the long way."""
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._reading = self._head = True
        self._received = 0
        self._expect(self._read_seconds)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; what follows a chunked body is none, and nobody asks for it."""
        if not self._head:
            return
        if len(self.headers) >= MOST_HEADERS:
            raise HeadTooLarge("The request has too many headers.")  # noqa: EM101, TRY003
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        # the parser removes the blanks before a value, but not those after it
        self.headers.append((name, value.rstrip(b" \t")))

    def _take_long_way(self) -> None:
        """Begin the request that is being read as uvicorn does, and hand it to the application."""
        self._check_head()
        url, headers, expect = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expect
        self.headers.extend(headers)
        super().on_headers_complete()

    def _check_head(self) -> None:
        """Refuse a head that the parser accepts, but HTTP/1.1 does not.

        Raises
        ------
        BadRequest
        """
        version = self.parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise BadRequest(_VERSION)
        hosts = [value for name, value in self.headers if name == b"host"]
        if len(hosts) > 1 or (version == "1.1" and not hosts) or not all(map(is_host, hosts)):
            raise BadRequest(_HOST)
        codings = [value.lower() for name, value in self.headers if name == b"transfer-encoding"]
        if codings and (version == "1.0" or codings != [b"chunked"]):
            raise BadRequest(_CODING)

    def on_response_complete(self) -> None:
        """Go on with what the client has sent already, or wait for its next request."""
        if self.pipeline:
            super().on_response_complete()
            if self._unread and not self.pipeline:
                self._go_on_later()
            return
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self._last_word is not None:
            self._reading = True  # the client may be sending still
            self.transport.write(closing_response(self._last_word))
            self.transport.close()
            return
        self.flow.resume_reading()
        if self._unread:
            self._go_on_later()
        elif self._ended:
            self.transport.close()
        if not self._reading:
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
        if self._reading or self._unread:
            self.loop.call_later(LAST_REQUEST_SECONDS, self._close_if_idle)
        elif self.cycle is None or self.cycle.response_complete:
            self.transport.close()

    def _busy(self) -> bool:
        """Whether a request of this connection waits for its answer."""
        return self.cycle is not None and not self.cycle.response_complete

    def _offers_upgrade(self) -> bool:
        """Whether what is parsed will be parsed again, see `_parse`.

        Raises
        ------
        BadRequest
            If it asks for a tunnel: for the parser, that is such an offer too.
        """
        if not self.parser.should_upgrade():
            return False
        if self.parser.get_method() == b"CONNECT":
            raise BadRequest(_CONNECT)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget what has not been parsed."""
        self._sweeper.remove(self)
        self._unread = b""
        super().connection_lost(exc)
        self.transport.let_go()  # type: ignore[attr-defined] # corked


class FastPathProtocol(Connection):
    """The protocol of a connection, with the short way.

    Parameters
    ----------
    house
        What all connections of the process share.
    """

    def __init__(self, house: ConnectionContext, **of_uvicorn: Any) -> None:
        super().__init__(house, **of_uvicorn)
        self._predict = house.predict
        self._exchange: RequestCycle | None = None
        self._at_work: RequestCycle | RequestResponseCycle | None = None
        """What is answered now; `cycle` is what is read, which may be a request after it."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Drop what was being worked on for the client that has left."""
        at_work = self._at_work
        if at_work is not None and not at_work.response_complete:
            at_work.disconnected = True
            at_work.message_event.set()
            if isinstance(at_work, RequestCycle) and at_work.abandon is not None:
                at_work.abandon()
                at_work.abandon = None
        super().connection_lost(exc)

    def on_headers_complete(self) -> None:
        """Choose the way of a request."""
        if self._offers_upgrade():
            return
        if self._extra:
            self._refuse_beyond_the_limit()
        self._exchange = self._short_way()
        if self._exchange is None:
            self._take_long_way()
        else:
            self.cycle = self._exchange  # type: ignore[assignment] # looks like one of its cycles
        self._head = False
        if self._stopping or self._extra:
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
        if self._offers_upgrade():
            return
        self._reading = False
        exchange = self._exchange
        if exchange is None or self._predict is None:
            super().on_message_complete()
        else:
            self._submit(exchange, self._predict)
        self._wait_for_us()

    def _submit(self, exchange: RequestCycle, predict: PredictDelay) -> None:
        self._at_work = exchange
        reply = partial(self._reply, exchange)
        if self._house.keys is not None:
            try:
                self._house.keys.admit(self.headers)
            except ProblemError as error:
                refuse(reply, error, exchange.names)
                return
        exchange.abandon = predict.submit(exchange.body, exchange.timeout, reply, exchange.names)

    def _short_way(self) -> RequestCycle | None:
        """The exchange of a request that is plain in every respect."""
        if not self._is_plain():
            return None
        length, hosts, timeout = 0, 0, None
        names: OwnNames = []
        for header in self.headers:
            name, value = header
            if name == b"content-length":
                length = int(value)
            elif name == b"host":
                hosts += 1 if is_host(value) else 2
            elif name in _TELLING:
                if header not in _PLAIN:
                    return None
            elif name == TIMEOUT_HEADER:
                timeout = value
            elif name in request_id.NAMES:
                names.append(header)
        return RequestCycle(timeout, names) if hosts == 1 and 0 < length <= LARGE_BODY else None

    def _is_plain(self) -> bool:
        """Whether the first line of a request, and the connection, allow the short way."""
        if self.url != _PATH or self._predict is None or self._busy() or self.flow.write_paused:
            return False
        parser = self.parser
        return bool(parser.get_method() == _METHOD and parser.get_http_version() == "1.1")

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._at_work = cycle
        super()._start_asgi_task(cycle, app)

    def _reply(self, exchange: RequestCycle, status: int, body: bytes, headers: Headers) -> None:
        exchange.abandon = None  # what it refers to refers to us: leave no work to the collector
        if exchange.disconnected:
            return
        names = lines(request_id.of_request(exchange.names))
        head = self._house.heads.head(status, headers, self.server_state.default_headers)
        end = b"\r\n\r\n" if exchange.keep_alive else b"\r\nconnection: close\r\n\r\n"
        answer = b"%b%bcontent-length: %d%b%b" % (head, names, len(body), end, body)
        self.transport.write_whole(answer)  # type: ignore[attr-defined] # corked
        exchange.response_complete = True
        if not exchange.keep_alive:
            self.transport.close()
        self.on_response_complete()
