"""Exceptions of the client, one for each problem type of the service.

Made by `make client-models` from the service's contract: edit that, not this.
"""

from __future__ import annotations

from scl_delay.errors import ProblemError


class BadRequestError(ProblemError):
    """The bytes that arrived are not HTTP (400)."""

    kind = "bad-request"


class NotJsonError(ProblemError):
    """The body is not JSON (400)."""

    kind = "not-json"


class UnauthorizedError(ProblemError):
    """The request carries no key (401)."""

    kind = "unauthorized"


class ForbiddenError(ProblemError):
    """The key is unknown or has been withdrawn (403)."""

    kind = "forbidden"


class NotFoundError(ProblemError):
    """There is no such path (404)."""

    kind = "not-found"


class MethodNotAllowedError(ProblemError):
    """The path exists, but not for this method (405)."""

    kind = "method-not-allowed"


class RequestTimeoutError(ProblemError):
    """The request did not arrive in time (408)."""

    kind = "request-timeout"


class BusyError(ProblemError):
    """Another such operation is in progress (409)."""

    kind = "busy"


class TooLargeError(ProblemError):
    """The request is larger than the service accepts (413)."""

    kind = "too-large"


class UnsupportedTypeError(ProblemError):
    """The content type or encoding of the body is not supported (415)."""

    kind = "unsupported-type"


class InvalidError(ProblemError):
    """The body is JSON, but not a valid request (422)."""

    kind = "invalid"


class ModelRefusedError(ProblemError):
    """The new model failed its checks; the current model stays in place (422)."""

    kind = "model-refused"


class TooManyError(ProblemError):
    """The client exceeds the rate limit of its key (429)."""

    kind = "too-many"


class HeadTooLargeError(ProblemError):
    """The request line and headers are larger than the service accepts (431)."""

    kind = "head-too-large"


class FailedError(ProblemError):
    """The service failed; the fault is not the client's (500)."""

    kind = "failed"


class OverloadedError(ProblemError):
    """More work is waiting than the service accepts (503)."""

    kind = "overloaded"


class TooLateError(ProblemError):
    """The time that the client allowed has passed (504)."""

    kind = "too-late"


__all__ = [
    "BadRequestError",
    "BusyError",
    "FailedError",
    "ForbiddenError",
    "HeadTooLargeError",
    "InvalidError",
    "MethodNotAllowedError",
    "ModelRefusedError",
    "NotFoundError",
    "NotJsonError",
    "OverloadedError",
    "RequestTimeoutError",
    "TooLargeError",
    "TooLateError",
    "TooManyError",
    "UnauthorizedError",
    "UnsupportedTypeError",
]

PROBLEMS: dict[str, type[ProblemError]] = {
    each.kind: each
    for each in (
        BadRequestError,
        BusyError,
        FailedError,
        ForbiddenError,
        HeadTooLargeError,
        InvalidError,
        MethodNotAllowedError,
        ModelRefusedError,
        NotFoundError,
        NotJsonError,
        OverloadedError,
        RequestTimeoutError,
        TooLargeError,
        TooLateError,
        TooManyError,
        UnauthorizedError,
        UnsupportedTypeError,
    )
}
"""Exception of each problem type, by the last part of the type."""
