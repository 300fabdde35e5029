"""Tests of the retry policy."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from scl_delay import NoAnswerError, Problem, ProblemError, Retries, TooSlowError
from scl_delay._transport.retries import retry_after_seconds
from scl_delay.errors import BadAnswerError, DelayError


def problem(status: int, retry_after: float | None = None) -> ProblemError:
    """Return a problem with a status."""
    document = Problem(type="about:blank", title="no", status=status, detail="no")
    return ProblemError(document, {}, retry_after)


def test_waits_double_up_to_the_longest() -> None:
    """Without jitter the waits are 1, 2, 4, 5, 5 seconds; then the policy gives up."""
    retries = Retries(most=5, first_wait=1, longest_wait=5, random=lambda: 1.0)
    waits = [retries.wait(problem(503), repeated) for repeated in range(6)]
    assert waits == [1, 2, 4, 5, 5, None]


def test_jitter_shortens_a_wait_by_up_to_a_half() -> None:
    """A wait lies between a half and all of the backoff."""
    assert Retries(first_wait=1, random=lambda: 0.0).wait(problem(503), 0) == 0.5
    waits = {Retries(first_wait=1).wait(problem(503), 0) for _ in range(50)}
    assert len(waits) > 40
    assert all(wait is not None and 0.5 <= wait <= 1 for wait in waits)


@pytest.mark.parametrize(
    ("failure", "again"),
    [
        *((problem(status), True) for status in (429, 502, 503, 504)),
        *((problem(status), False) for status in (400, 401, 404, 413, 422, 500)),
        (NoAnswerError("cut"), True),
        (TooSlowError("no connection", before_sending=True), True),
        (TooSlowError("no answer"), False),
        (BadAnswerError("what?", 200, b"hello"), False),
    ],
)
def test_only_temporary_failures_are_retried(failure: DelayError, again: bool) -> None:
    """Lost connections and temporary statuses are retried; time-outs and other errors are not."""
    assert (Retries().wait(failure, 0) is not None) == again


def test_retry_after_replaces_the_backoff() -> None:
    """Retry-After is waited in full; a value above the limit fails the call at once."""
    assert Retries(random=lambda: 0.0).wait(problem(429, 7.0), 0) == 7.0
    assert Retries(longest_retry_after=60).wait(problem(429, 61.0), 0) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("5", 5),
        (" 0 ", 0),
        ("Fri, 14 Jul 2017 08:30:10 GMT", 10),
        ("Fri, 14 Jul 2017 08:30:10 -0000", 10),
        ("Fri, 14 Jul 2017 08:29:00 GMT", 0),
        ("-3", None),
        ("soon", None),
    ],
)
def test_retry_after_is_parsed_in_both_forms(value: str | None, seconds: float | None) -> None:
    """Seconds and dates are parsed, invalid values are ignored."""
    now = datetime(2017, 7, 14, 8, 30, tzinfo=UTC)
    assert retry_after_seconds(value, now) == seconds
