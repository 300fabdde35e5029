"""Exceptions of the client.

DelayError
├── NoAnswerError          no answer: connection refused or lost, name not found
│   └── TooSlowError       the answer took longer than the time-out
├── BadAnswerError         the answer does not follow the service's contract
├── CredentialsError       no token is available
├── IncompleteError        a call with many flights failed after some were answered
└── ProblemError           the service, or a proxy, answered with an error status
    └── one class per problem type, in `scl_delay._transport.problems`
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from scl_delay.models import FieldError, Problem


class DelayError(Exception):
    """Base of this package's errors; the message is meant for users."""


class NoAnswerError(DelayError):
    """Request without an answer. The service may have seen it; a retry is safe.

    Attributes
    ----------
    before_sending
        Whether no connection was made.
    """

    def __init__(self, message: str, *, before_sending: bool = False) -> None:
        super().__init__(message)
        self.before_sending = before_sending


class TooSlowError(NoAnswerError):
    """Request whose answer took longer than the time-out."""


class BadAnswerError(DelayError):
    """Answer that does not follow the service's contract, perhaps of another server.

    Attributes
    ----------
    status
        HTTP status.
    body
        Body of the answer.
    """

    def __init__(self, message: str, status: int, body: bytes) -> None:
        super().__init__(message)
        self.status = status
        self.body = body


class CredentialsError(DelayError):
    """Error when no token is available."""


class ProblemError(DelayError):
    """Answer with an error status; there is one subclass per problem type of the service.

    This class itself is raised if the type is unknown, or if a proxy answered without a problem
    document; its type is ``about:blank`` then.

    Attributes
    ----------
    kind
        Last part of the problem type; an attribute of the class.
    problem
        The problem document (RFC 9457): type, title, status, detail, and each invalid field.
    headers
        Headers of the answer.
    retry_after
        Seconds of ``Retry-After``; None if the answer has none.
    """

    kind: ClassVar[str] = ""

    def __init__(
        self, problem: Problem, headers: Mapping[str, str], retry_after: float | None = None
    ) -> None:
        super().__init__(f"{problem.status} {problem.title}: {problem.detail}")
        self.problem = problem
        self.headers = headers
        self.retry_after = retry_after

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.problem.status

    def moved(self, by: int) -> Self:
        """Return the problem with the indexes of its flights increased by `by`."""
        if not by or not self.problem.errors:
            return self
        detail = self.problem.detail
        fields = [_moved(field, by) for field in self.problem.errors]
        for field, moved in zip(self.problem.errors, fields, strict=True):
            detail = detail.replace(f"{field.pointer}:", f"{moved.pointer}:")
        problem = self.problem.model_copy(update={"errors": fields, "detail": detail})
        return type(self)(problem, self.headers, self.retry_after)


class IncompleteError(DelayError):
    """Failure of a call with many flights after some of them were answered.

    The answers are kept, and the remaining flights can be sent later::

        try:
            predictions = client.predict_many(flights)
        except IncompleteError as stopped:
            predictions = stopped.done + client.predict_many(stopped.remaining)

    Attributes
    ----------
    answered
        Number of answered flights: the first ones, in order.
    done
        Result of the call for these: a list of predictions, or a frame. It is empty for
        `predict_stream`, which has already yielded them.
    remaining
        Argument for a call with the rest: an iterable that can be read once, or a frame.
    reason
        Error of the failed request.
    """

    def __init__(self, answered: int, done: Any, remaining: Any, reason: DelayError) -> None:
        super().__init__(
            f"{answered:,} flight(s) were answered, then: {reason}"
            " (the answers are in `done`, the other flights in `remaining`)"
        )
        self.answered = answered
        self.done = done
        self.remaining = remaining
        self.reason = reason

    def with_done(self, done: Any, remaining: Any = None) -> Self:
        """Return the error with the result of the call for the answered flights."""
        rest = self.remaining if remaining is None else remaining
        return type(self)(self.answered, done, rest, self.reason)


def _moved(field: FieldError, by: int) -> FieldError:
    if field.flight is None:
        return field
    here, there = f"/flights/{field.flight}", f"/flights/{field.flight + by}"
    pointer = there + field.pointer.removeprefix(here)
    return field.model_copy(update={"flight": field.flight + by, "pointer": pointer})
