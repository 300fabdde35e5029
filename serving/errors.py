"""Errors of the service; each kind of problem document is a class.

ServingError
├── NoModelRegistered      no model of the configured name in the store
└── ProblemError           base of all problem documents
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
    """Base of this package's errors; the text is shown to users."""


class NoModelRegistered(ServingError):
    """No model of the configured name is in the store."""

    def __init__(self, reference: str, store: Path) -> None:
        name = reference.partition(":")[0]
        super().__init__(
            f"No model {reference!r} in the BentoML store {store}.\n"
            f"Train and register one first:  python train.py --name {name}\n"
            f"or do everything at once:      make serve"
        )


class ProblemError(ServingError):
    """Error that is answered with a problem document (RFC 9457).

    Attributes
    ----------
    status, kind, title
        Of the class: HTTP status, last part of the problem's type, and its title.
    headers
        Extra response headers, as pairs of lower-case name and value.
    errors
        Invalid fields of a request that is JSON, each as in `FieldError`.
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
    """The bytes that arrived are not HTTP."""

    status, kind, title = 400, "bad-request", "The request is not HTTP"


class NotJson(ProblemError):
    """The body is not JSON."""

    status, kind, title = 400, "not-json", "The body is not JSON"


class Unauthorized(ProblemError):
    """The request carries no key."""

    status, kind, title = 401, "unauthorized", "A key is needed"


class Forbidden(ProblemError):
    """The key is unknown or has been withdrawn."""

    status, kind, title = 403, "forbidden", "The key is not accepted"


class NotFound(ProblemError):
    """There is no such path."""

    status, kind, title = 404, "not-found", "There is nothing here"


class MethodNotAllowed(ProblemError):
    """The path exists, but not for this method."""

    status, kind, title = 405, "method-not-allowed", "The method is not allowed here"


class RequestTimeout(ProblemError):
    """The request did not arrive in time."""

    status, kind, title = 408, "request-timeout", "The request did not arrive in time"


class Conflict(ProblemError):
    """Another such operation is in progress."""

    status, kind, title = 409, "busy", "This is being done already"


class TooLarge(ProblemError):
    """The request is larger than the service accepts."""

    status, kind, title = 413, "too-large", "The request is too large"


class UnsupportedType(ProblemError):
    """The content type or encoding of the body is not supported."""

    status, kind, title = 415, "unsupported-type", "The body has the wrong type"


class Invalid(ProblemError):
    """The body is JSON, but not a valid request."""

    status, kind, title = 422, "invalid", "The request is not valid"


class HeadTooLarge(ProblemError):
    """The request line and headers are larger than the service accepts."""

    status, kind, title = 431, "head-too-large", "The head of the request is too large"


class ModelRefused(ProblemError):
    """The new model failed its checks; the current model stays in place."""

    status, kind, title = 422, "model-refused", "The model is not fit to serve"


class RateLimited(ProblemError):
    """The client exceeds the rate limit of its key."""

    status, kind, title = 429, "too-many", "Too many requests"


class InternalError(ProblemError):
    """The service failed; the fault is not the client's."""


class Overloaded(ProblemError):
    """More work is waiting than the service accepts."""

    status, kind, title = 503, "overloaded", "The service has too much to do"


class DeadlineExceeded(ProblemError):
    """The time that the client allowed has passed."""

    status, kind, title = 504, "too-late", "The time given for the answer has passed"

    def __init__(self, detail: str = "The flights were not scored in the time allowed.") -> None:
        super().__init__(detail)


def problem_classes() -> list[type[ProblemError]]:
    """Return the classes of all kinds of problem documents, in the order of their definition."""
    return ProblemError.__subclasses__()
