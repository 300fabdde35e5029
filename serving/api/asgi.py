"""ASGI helpers of the routes: read a body, send an answer, write a problem document."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from serving import metrics
from serving.errors import InternalError, ProblemError, TooLarge
from serving.logs import REQUEST

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = tuple[tuple[bytes, bytes], ...]
Answer = tuple[int, bytes, Headers]
"""Status, body and headers, without the headers that every answer has."""

JSON = (b"content-type", b"application/json")
PROBLEM = (b"content-type", b"application/problem+json")
PROTECTION: Headers = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)
"""Headers of every answer. Pages add a content security policy; the proxy that terminates TLS
adds HSTS."""
PROBLEM_TYPE = "urn:flight-delay:problem:"

logger = logging.getLogger("flight_delay")


class ClientDisconnected(Exception):  # noqa: N818 - an event, not a fault
    """The client disconnected before its request was read."""


async def read_body(receive: Receive, limit: int, reserve: Callable[[int], None]) -> bytes:
    """Return the whole body of a request.

    Parameters
    ----------
    limit
        Bytes of the longest accepted body.
    reserve
        Called with the number of bytes received so far, whenever it grows.

    Raises
    ------
    TooLarge
        If the body is longer than the limit.
    ClientDisconnected
        If the client disconnects first.
    """
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnected
    body = bytearray(message.get("body", b""))
    while message.get("more_body", False):
        if len(body) > limit:
            break
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        body += message.get("body", b"")
        reserve(min(len(body), limit))
    if len(body) > limit:
        detail = f"At most {limit} bytes are accepted: send fewer flights per request."
        raise TooLarge(detail, headers=((b"connection", b"close"),))
    return bytes(body)


async def send_answer(
    send: Send, status: int, body: bytes, headers: Headers = (JSON,), *, head: bool = False
) -> None:
    """Send a whole answer; to HEAD the same without its body."""
    length = (b"content-length", str(len(body)).encode())
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [length, *PROTECTION, *headers],
        }
    )
    await send({"type": "http.response.body", "body": b"" if head else body})


def problem_response(error: Exception, id_headers: Headers = ()) -> Answer:
    """Count an error and return its problem document; log it if the service caused it.

    Parameters
    ----------
    id_headers
        Headers that identify the request, the first of them its id.
    """
    if not isinstance(error, ProblemError) or error.__cause__ is not None:
        extra = {REQUEST: id_headers[0][1].decode("ascii")} if id_headers else None
        logger.error("request failed", exc_info=error, extra=extra)
    if not isinstance(error, ProblemError):
        error = InternalError("The service failed; the error has been logged.")
    metrics.buffer.refused_for(error.kind)
    return problem(error)


def problem(error: ProblemError) -> Answer:
    """Return the answer that holds the problem document of an error."""
    return error.status, json.dumps(problem_document(error)).encode(), (PROBLEM, *error.headers)


def problem_document(error: ProblemError) -> dict[str, Any]:
    """Return the problem document (RFC 9457) of an error."""
    document: dict[str, Any] = {
        "type": PROBLEM_TYPE + error.kind,
        "title": error.title,
        "status": error.status,
        "detail": str(error),
    }
    if error.errors is not None:
        document["errors"] = error.errors
    return document
