"""Exceptions, one for each type of problem that the service names.

Made by `make client-models` from the service's contract: edit that, not this.
"""

from __future__ import annotations

from scl_delay.errors import ProblemError


class NotJsonError(ProblemError):
    """The body is not JSON (400)."""

    kind = "not-json"


class NotFoundError(ProblemError):
    """There is nothing at this path (404)."""

    kind = "not-found"


class MethodNotAllowedError(ProblemError):
    """The path exists, but not for this method (405)."""

    kind = "method-not-allowed"


class TooSlowError(ProblemError):
    """The request did not arrive in time (408)."""

    kind = "too-slow"


class TooLargeError(ProblemError):
    """The request is larger than the service accepts (413)."""

    kind = "too-large"


class UnsupportedTypeError(ProblemError):
    """The body is not of the type that the service reads (415)."""

    kind = "unsupported-type"


class InvalidError(ProblemError):
    """The body is JSON, but not a valid request (422)."""

    kind = "invalid"


class HeadTooLargeError(ProblemError):
    """The head of the request, with all its headers, is larger than the service accepts (431)."""

    kind = "head-too-large"


class FailedError(ProblemError):
    """The service failed; the fault is not the caller's (500)."""

    kind = "failed"


class OverloadedError(ProblemError):
    """More work is waiting than the service accepts (503)."""

    kind = "overloaded"


class TooLateError(ProblemError):
    """The time that the caller gave has passed (504)."""

    kind = "too-late"


__all__ = [
    "FailedError",
    "HeadTooLargeError",
    "InvalidError",
    "MethodNotAllowedError",
    "NotFoundError",
    "NotJsonError",
    "OverloadedError",
    "TooLargeError",
    "TooLateError",
    "TooSlowError",
    "UnsupportedTypeError",
]

PROBLEMS: dict[str, type[ProblemError]] = {
    each.kind: each
    for each in (
        FailedError,
        HeadTooLargeError,
        InvalidError,
        MethodNotAllowedError,
        NotFoundError,
        NotJsonError,
        OverloadedError,
        TooLargeError,
        TooLateError,
        TooSlowError,
        UnsupportedTypeError,
    )
}
"""By the last part of a problem's type."""
