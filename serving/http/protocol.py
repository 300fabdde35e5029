"""The hot path's last metres: uvicorn's HTTP protocol, with a short way for predictions.

For every request uvicorn builds a scope, a cycle, an event and a task, and calls the application
through four coroutines; for a prediction that costs more than the prediction itself. A plain
`POST /predict_delay` takes the short way instead: once its body is complete, it is handed over
with a callback, and the answer is written as one piece. All that is not plain (another route, a
large or chunked body, an unusual header, a pipelined request, a client that does not read) goes
uvicorn's own way, through ASGI, and gets the same answer there.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from serving.api import request_id
from serving.api.asgi import Headers
from serving.api.large_requests import LARGE_BODY
from serving.api.predict import (
    TIMEOUT_HEADER,
    OwnNames,
    PredictDelay,
    refuse,
)
from serving.errors import ProblemError
from serving.http.connection import Connection, is_host
from serving.http.context import ConnectionContext
from serving.http.exchange import RequestCycle
from serving.http.responses import lines

_METHOD, _PATH, _VERSION = b"POST", b"/predict_delay", "1.1"
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
                self._house.keys.authenticate(self.headers)
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
        return bool(parser.get_method() == _METHOD and parser.get_http_version() == _VERSION)

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
