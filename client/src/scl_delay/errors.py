"""Everything that can go wrong, as exceptions.

DelayError
├── NoAnswerError          no answer came: refused, cut, name not found
│   └── TooSlowError       it took longer than the time-out
├── BadAnswerError         an answer that is not what the service's contract says
├── CredentialsError       no token could be had
├── IncompleteError        many flights: some were answered before something else of these happened
└── ProblemError           the service says what is wrong, or some proxy before it
    └── one class per type of problem, in `scl_delay._transport.problems`
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from scl_delay.models import FieldError, Problem


class DelayError(Exception):
    """Base of this package's errors; its text is meant for people."""


class NoAnswerError(DelayError):
    """No answer came. Whether the service saw the request is not known; asking again is safe.

    Attributes
    ----------
    before_sending
        Whether not even a connection was made.
    """

    def __init__(self, message: str, *, before_sending: bool = False) -> None:
        super().__init__(message)
        self.before_sending = before_sending


class TooSlowError(NoAnswerError):
    """The answer took longer than the time-out."""


class BadAnswerError(DelayError):
    """The answer is not what the service's contract says: some other server's, perhaps.

    Attributes
    ----------
    status
        HTTP status.
    body
        What came.
    """

    def __init__(self, message: str, status: int, body: bytes) -> None:
        super().__init__(message)
        self.status = status
        self.body = body


class CredentialsError(DelayError):
    """No token could be had."""


class ProblemError(DelayError):
    """The service refused, and says why. Subclasses stand for the types of problem.

    This class itself is raised where the type is not known, or where some proxy before the
    service answered without a problem document; its type is ``about:blank`` then.

    Attributes
    ----------
    kind
        Of the class: last part of the problem's type.
    problem
        The problem document (RFC 9457): type, title, status, detail, and each invalid field.
    headers
        Of the answer.
    retry_after
        Seconds after which the service wants to be asked again, where it says so.
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
        """The same problem, with the places of its flights counted from `by` on."""
        if not by or not self.problem.errors:
            return self
        detail = self.problem.detail
        fields = [_moved(field, by) for field in self.problem.errors]
        for field, moved in zip(self.problem.errors, fields, strict=True):
            detail = detail.replace(f"{field.pointer}:", f"{moved.pointer}:")
        problem = self.problem.model_copy(update={"errors": fields, "detail": detail})
        return type(self)(problem, self.headers, self.retry_after)


class IncompleteError(DelayError):
    """Of many flights, some were answered before something went wrong.

    What was answered is not lost, and the rest can be asked for later::

        try:
            predictions = client.predict_many(flights)
        except IncompleteError as stopped:
            predictions = stopped.done + client.predict_many(stopped.remaining)

    Attributes
    ----------
    answered
        How many flights were answered: the first ones, in order.
    done
        What the same call returns for these: a list of predictions, or a frame. Of
        `predict_stream` it is empty, as they have been handed out already.
    remaining
        What to give to the same call for the rest: an iterable, to be read once, or a frame.
    reason
        What went wrong.
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
        """The same event, with what the caller's call returns for the answered flights."""
        rest = self.remaining if remaining is None else remaining
        return type(self)(self.answered, done, rest, self.reason)


def _moved(field: FieldError, by: int) -> FieldError:
    if field.flight is None:
        return field
    here, there = f"/flights/{field.flight}", f"/flights/{field.flight + by}"
    pointer = there + field.pointer.removeprefix(here)
    return field.model_copy(update={"flight": field.flight + by, "pointer": pointer})
