"""The little of ASGI that the service needs: read a body, send an answer, nothing in between."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from serving.errors import Refusal, TooLarge

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = tuple[tuple[bytes, bytes], ...]

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


class ClientLeft(Exception):  # noqa: N818 - an event, not a fault
    """The client has gone before its request was read: there is nobody to answer."""


async def read_body(receive: Receive, limit: int) -> bytes:
    """Return the whole body of a request.

    Raises
    ------
    TooLarge
        If it is longer than `limit` bytes.
    ClientLeft
        If the client disconnects first.
    """
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientLeft
    body: bytes = message.get("body", b"")
    while message.get("more_body", False):
        if len(body) > limit:
            break
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        body += message.get("body", b"")
    if len(body) > limit:
        detail = f"At most {limit} bytes are accepted: send fewer flights per request."
        raise TooLarge(detail, headers=((b"connection", b"close"),))
    return body


async def answer(send: Send, status: int, body: bytes, headers: Headers = (JSON,)) -> None:
    """Send a whole answer at once."""
    length = (b"content-length", str(len(body)).encode())
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [length, *PROTECTION, *headers],
        }
    )
    await send({"type": "http.response.body", "body": body})


def problem(refusal: Refusal) -> tuple[bytes, Headers]:
    """Body and headers of the problem document (RFC 9457) for a refusal."""
    document: dict[str, Any] = {
        "type": PROBLEM_TYPE + refusal.kind,
        "title": refusal.title,
        "status": refusal.status,
        "detail": str(refusal),
    }
    if refusal.errors is not None:
        document["errors"] = refusal.errors
    return json.dumps(document).encode(), (PROBLEM, *refusal.headers)
