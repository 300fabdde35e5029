"""Decide whether to retry and how long to wait; the clients do the waiting."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from scl_delay.errors import DelayError, NoAnswerError, ProblemError, TooSlowError

RETRYABLE = frozenset({429, 502, 503, 504})
"""Statuses of temporary failures. A prediction changes no state, so a retry is safe."""


@dataclass(frozen=True)
class Retries:
    """Policy of retries: exponential backoff with jitter, and ``Retry-After``.

    A call is repeated if no connection was made, if the connection was lost, and if the answer
    was 429, 502, 503 or 504. A call that exceeded its time-out is not repeated, because that would
    add load to a slow service.

    Attributes
    ----------
    most
        Maximum number of retries of one call; 0 for none.
    first_wait, longest_wait
        Seconds. The backoff doubles with each retry, up to the longest. The wait is a random
        number between a half and all of it, so that clients do not retry in step.
    longest_retry_after
        Seconds. A ``Retry-After`` of the service up to this replaces the backoff; with a longer
        one the call fails at once.
    random
        Function that returns numbers from 0 to 1.
    """

    most: int = 3
    first_wait: float = 0.5
    longest_wait: float = 8.0
    longest_retry_after: float = 60.0
    random: Callable[[], float] = random.random

    def wait(self, failure: DelayError, repeated: int) -> float | None:
        """Return the seconds to wait before the next retry, or None to give up.

        Parameters
        ----------
        failure
            Error of the last attempt.
        repeated
            Number of retries so far.
        """
        if repeated >= self.most or not _retryable(failure):
            return None
        retry_after = failure.retry_after if isinstance(failure, ProblemError) else None
        if retry_after is not None:
            return retry_after if retry_after <= self.longest_retry_after else None
        longest = min(self.longest_wait, self.first_wait * 2.0**repeated)
        return longest * (0.5 + 0.5 * self.random())


USUAL_RETRIES = Retries()
NO_RETRIES = Retries(most=0)


def retry_after_seconds(value: str | None, now: datetime | None = None) -> float | None:
    """Parse ``Retry-After``: seconds, or a date (RFC 9110, 10.2.3).

    Parameters
    ----------
    value
        Value of the header; None if it is absent.
    now
        Time that a date is relative to; default: the current time.

    Returns
    -------
    Seconds from now, at least 0; None if the value is absent or invalid.
    """
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    until = until if until.tzinfo is not None else until.replace(tzinfo=UTC)
    return max(0.0, (until - (now or datetime.now(UTC))).total_seconds())


def _retryable(failure: DelayError) -> bool:
    if isinstance(failure, ProblemError):
        return failure.status in RETRYABLE
    if isinstance(failure, TooSlowError):
        return failure.before_sending
    return isinstance(failure, NoAnswerError)
