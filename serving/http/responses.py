"""Responses as bytes: heads for the fast path, and refusals that close the connection."""

from __future__ import annotations

from collections.abc import Iterable

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from serving import metrics
from serving.api import request_id
from serving.api.asgi import PROTECTION, Headers, problem
from serving.errors import ProblemError


class HeaderCache:
    """Cache of response heads as bytes, with the headers of every response.

    uvicorn replaces its list of default headers once a second, because of the date.
    """

    def __init__(self) -> None:
        self._default: object = None
        self._default_lines = b""
        self._heads: dict[tuple[int, Headers], bytes] = {}

    def head(self, status: int, headers: Headers, default: list[tuple[bytes, bytes]]) -> bytes:
        """Return the status line and the headers that do not depend on the request."""
        if default is not self._default:
            self._default_lines, self._default = lines((*default, *PROTECTION)), default
            self._heads.clear()
        head = self._heads.get((status, headers))
        if head is None:
            head = STATUS_LINE[status] + self._default_lines + lines(headers)
            self._heads[status, headers] = head
        return head


def lines(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return headers as the lines of an HTTP/1.1 head."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])


def closing_response(error: ProblemError) -> bytes:
    """Return, and count, a response after which the connection is closed.

    Its request id is a new one: the client's own may not have arrived.
    """
    metrics.buffer.refused_for(error.kind)
    status, body, headers = problem(error)
    head = STATUS_LINE[status] + lines((*PROTECTION, *headers, *request_id.response_headers(())))
    return b"%bcontent-length: %d\r\nconnection: close\r\n\r\n%b" % (head, len(body), body)
