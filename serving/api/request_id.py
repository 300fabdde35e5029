"""A name for each request, from the caller where it sends a good one, for answers and logs."""

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

_START = os.urandom(6).hex().encode()
"""Of this process: the names that two of them make differ."""
_next = count(1)


def response_headers(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Headers that name a request in its answer.

    ``x-request-id`` is the caller's where it is 1 to 128 letters, digits and ``._:/+=@-``; else
    the trace of a well-formed ``traceparent``, which is sent back too; else one that is made
    here. What is malformed is dropped, never repeated: an answer and a log line hold nothing but
    these characters of a caller's.
    """
    given = traced = None
    for name, value in headers:
        if name == REQUEST_ID:
            given = value if _REQUEST_ID(value) else None
        elif name == TRACEPARENT:
            traced = _TRACEPARENT(value)
    if traced is not None:
        return ((REQUEST_ID, given or traced[1]), (TRACEPARENT, traced[0]))
    return ((REQUEST_ID, given or _fresh()),)


def _fresh() -> bytes:
    """Return a name for a request that has none."""
    return b"%b-%x" % (_START, next(_next))
