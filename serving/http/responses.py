"""Answers as bytes, for those that no application writes: the short way's, and last words."""

from __future__ import annotations

from collections.abc import Iterable

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from serving import metrics
from serving.api import request_id
from serving.api.asgi import PROTECTION, Headers, problem
from serving.errors import ProblemError


class HeaderCache:
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
            self._fixed, self._seen = lines((*server, *PROTECTION)), server
            self._known.clear()
        head = self._known.get((status, headers))
        if head is None:
            head = STATUS_LINE[status] + self._fixed + lines(headers)
            self._known[status, headers] = head
        return head


def lines(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Write headers as HTTP/1.1 does, each with its line end."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])


def closing_response(refusal: ProblemError) -> bytes:
    """Write and count a refusal after which the connection is closed.

    It goes to clients of whose request too little is known to name it as they did.
    """
    metrics.buffer.refused_for(refusal.kind)
    status, body, headers = problem(refusal)
    head = STATUS_LINE[status] + lines((*PROTECTION, *headers, *request_id.response_headers(())))
    return b"%bcontent-length: %d\r\nconnection: close\r\n\r\n%b" % (head, len(body), body)
