"""Request ids: the client's own where it is valid, for answers and log lines."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from itertools import count

from serving.api.asgi import Headers

REQUEST_ID = b"x-request-id"
TRACEPARENT = b"traceparent"
HEADERS = frozenset({REQUEST_ID, TRACEPARENT})

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}").fullmatch
_TRACEPARENT = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
).fullmatch
"""W3C Trace Context, section 3.2."""

_PROCESS = os.urandom(6).hex().encode()
"""First part of the ids that this process makes, so that no other process makes the same."""
_next = count(1)


def response_headers(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Return the headers that identify a request in its answer.

    ``x-request-id`` is the client's if it is 1 to 128 letters, digits and ``._:/+=@-``; else the
    trace id of a valid ``traceparent``, which is sent back too; else a new id. An invalid value is
    dropped, so that answers and log lines repeat no other characters of a client.
    """
    request_id = parent = None
    for name, value in headers:
        if name == REQUEST_ID:
            request_id = value if _REQUEST_ID(value) else None
        elif name == TRACEPARENT:
            parent = _TRACEPARENT(value)
    if parent is not None:
        return ((REQUEST_ID, request_id or parent[1]), (TRACEPARENT, parent[0]))
    return ((REQUEST_ID, request_id or b"%b-%x" % (_PROCESS, next(_next))),)
