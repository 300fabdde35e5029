"""What can go wrong while serving.

ServingError
├── NoModelRegistered      the store holds no model of the wanted name
└── ProblemError                a request that gets a problem document instead of an answer
    ├── BadRequest         400
    ├── NotJson            400
    ├── Unauthorized       401
    ├── Forbidden          403
    ├── NotFound           404
    ├── MethodNotAllowed   405
    ├── RequestTimeout     408
    ├── Conflict           409
    ├── TooLarge           413
    ├── UnsupportedType    415
    ├── Invalid            422
    ├── ModelRefused       422
    ├── RateLimited        429
    ├── HeadTooLarge       431
    ├── InternalError      500
    ├── Overloaded         503
    └── DeadlineExceeded   504
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar


class ServingError(Exception):
    """Base of this package's errors; its text is meant for people."""


class NoModelRegistered(ServingError):
    """The store holds no model of the wanted name."""

    def __init__(self, reference: str, store: Path) -> None:
        name = reference.partition(":")[0]
        super().__init__(
            f"No model {reference!r} in the BentoML store {store}.\n"
            f"Train and register one first:  python train.py --name {name}\n"
            f"or do everything at once:      make serve"
        )


class ProblemError(ServingError):
    """A request that gets a problem document (RFC 9457) instead of an answer.

    Attributes
    ----------
    status, kind, title
        Of the class: HTTP status, stable name of the problem type, and the same in words.
    headers
        Extra response headers, as pairs of lower-case name and value.
    errors
        Each invalid field, where the request was understood but not valid.
    """

    status: ClassVar[int] = 500
    kind: ClassVar[str] = "failed"
    title: ClassVar[str] = "The service failed"

    def __init__(
        self,
        detail: str,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        errors: list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(detail)
        self.headers = headers
        self.errors = errors


class BadRequest(ProblemError):
    """What arrived is not HTTP."""

    status, kind, title = 400, "bad-request", "The request is not HTTP"


class NotJson(ProblemError):
    """The body is not JSON."""

    status, kind, title = 400, "not-json", "The body is not JSON"


class Unauthorized(ProblemError):
    """The request does not show who sends it."""

    status, kind, title = 401, "unauthorized", "A key is needed"


class Forbidden(ProblemError):
    """What the request shows is not, or no longer, accepted."""

    status, kind, title = 403, "forbidden", "The key is not accepted"


class NotFound(ProblemError):
    """There is nothing at this path."""

    status, kind, title = 404, "not-found", "There is nothing here"


class MethodNotAllowed(ProblemError):
    """The path exists, but not for this method."""

    status, kind, title = 405, "method-not-allowed", "The method is not allowed here"


class RequestTimeout(ProblemError):
    """The request did not arrive in time."""

    status, kind, title = 408, "request-timeout", "The request did not arrive in time"


class Conflict(ProblemError):
    """The same is being done already."""

    status, kind, title = 409, "busy", "This is being done already"


class TooLarge(ProblemError):
    """The request is larger than the service accepts."""

    status, kind, title = 413, "too-large", "The request is too large"


class UnsupportedType(ProblemError):
    """The body is not of the type that the service reads."""

    status, kind, title = 415, "unsupported-type", "The body has the wrong type"


class Invalid(ProblemError):
    """The body is JSON, but not a valid request."""

    status, kind, title = 422, "invalid", "The request is not valid"


class HeadTooLarge(ProblemError):
    """The head of the request, with all its headers, is larger than the service accepts."""

    status, kind, title = 431, "head-too-large", "The head of the request is too large"


class ModelRefused(ProblemError):
    """A model that was to take over is not fit to; the one in place goes on."""

    status, kind, title = 422, "model-refused", "The model is not fit to serve"


class RateLimited(ProblemError):
    """The caller sends more than its key allows."""

    status, kind, title = 429, "too-many", "Too many requests"


class InternalError(ProblemError):
    """The service failed; the fault is not the caller's."""


class Overloaded(ProblemError):
    """More work is waiting than the service accepts."""

    status, kind, title = 503, "overloaded", "The service has too much to do"


class DeadlineExceeded(ProblemError):
    """The time that the caller gave has passed."""

    status, kind, title = 504, "too-late", "The time given for the answer has passed"

    def __init__(self) -> None:
        super().__init__("The flights were not scored within the time that was given.")
