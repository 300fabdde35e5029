"""The little of ASGI that the service needs: read a body, send an answer, nothing in between."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, cast

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
"""Status, body and headers, without those that every answer has."""

JSON = (b"content-type", b"application/json")
PROBLEM = (b"content-type", b"application/problem+json")
PROTECTION: Headers = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)
"""On every answer. Pages have a content security policy of their own; TLS, and with it HSTS, is
the business of whoever ends it."""
PROBLEM_TYPE = "urn:flight-delay:problem:"

logger = logging.getLogger("flight_delay")


class ClientDisconnected(Exception):  # noqa: N818 - an event, not a fault
    """The client has gone before its request was read: there is nobody to answer."""


async def read_body(receive: Receive, limit: int, reached: Callable[[int], None]) -> bytes:
    """Return the whole body of a request; `reached` is told its size as it grows.

    Raises
    ------
    TooLarge
        If it is longer than `limit` bytes.
    ClientLeft
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
        reached(min(len(body), limit))
    if len(body) > limit:
        detail = f"At most {limit} bytes are accepted: send fewer flights per request."
        raise TooLarge(detail, headers=((b"connection", b"close"),))
    return bytes(body)


async def answer(
    send: Send, status: int, body: bytes, headers: Headers = (JSON,), *, head: bool = False
) -> None:
    """Send a whole answer at once; of an answer to HEAD only what GET would get before its body."""
    length = (b"content-length", str(len(body)).encode())
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [length, *PROTECTION, *headers],
        }
    )
    await send({"type": "http.response.body", "body": b"" if head else body})


def problem_response(error: Exception, name: Headers = ()) -> Answer:
    """The problem document that tells of an error; counts it, and logs what is our own fault.

    Parameters
    ----------
    name
        Headers that name the request, the first of them its id.
    """
    ours = not isinstance(error, ProblemError)
    if ours or error.__cause__ is not None:
        about = {REQUEST: name[0][1].decode("ascii")} if name else None
        logger.error("request failed", exc_info=error, extra=about)
    refusal = (
        InternalError("The fault is ours: it has been logged.")
        if ours
        else cast("ProblemError", error)
    )
    metrics.buffer.refused_for(refusal.kind)
    return problem(refusal)


def problem(refusal: ProblemError) -> Answer:
    """The problem document (RFC 9457) of a refusal."""
    document: dict[str, Any] = {
        "type": PROBLEM_TYPE + refusal.kind,
        "title": refusal.title,
        "status": refusal.status,
        "detail": str(refusal),
    }
    if refusal.errors is not None:
        document["errors"] = refusal.errors
    return refusal.status, json.dumps(document).encode(), (PROBLEM, *refusal.headers)
