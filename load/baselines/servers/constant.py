"""ASGI application that answers every request with the same prediction: the upper bound."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

ANSWER = (
    b'{"model":"flight_delay:20171231-0123456789","predictions":[{"probability":'
    b'0.24145476399775842,"delayed":false,"risk":"elevated","unknown":[]}]}'
)
HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(ANSWER))]


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Read the body without parsing it, and answer."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": ANSWER})
