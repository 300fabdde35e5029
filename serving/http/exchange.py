"""A request on the short way, from its head to its answer."""

from __future__ import annotations

from serving.api.predict import Abandon, OwnNames


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
