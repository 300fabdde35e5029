"""When to ask again and how long to wait before: pure decisions, nobody sleeps here."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from scl_delay.errors import DelayError, NoAnswerError, ProblemError, TooSlowError

PASSING = frozenset({429, 502, 503, 504})
"""Statuses that tell of a passing state: a prediction changes nothing, so asking again is safe."""


@dataclass(frozen=True)
class Retries:
    """How often and how patiently a call is repeated.

    A call is repeated when no connection was made, when it was cut, and when the answer was 429,
    502, 503 or 504. It is not when the answer took longer than the time-out: a service that is
    too slow is not helped by more work.

    Attributes
    ----------
    most
        Repetitions of one call; 0 for none.
    first_wait, longest_wait
        Seconds. The wait doubles from one repetition to the next, up to the longest; what is
        waited is a random part of it, between a half and all, so that clients that failed
        together do not come back together.
    longest_retry_after
        Seconds. What the service asks for in ``Retry-After`` is waited instead, in full; where it
        asks for more than this, the call fails at once.
    random
        Returns numbers from 0 to 1.
    """

    most: int = 3
    first_wait: float = 0.5
    longest_wait: float = 8.0
    longest_retry_after: float = 60.0
    random: Callable[[], float] = random.random

    def wait(self, failure: DelayError, repeated: int) -> float | None:
        """Seconds to wait before asking again; ``None`` where that is not worth it.

        Parameters
        ----------
        failure
            What happened.
        repeated
            How often the call has been repeated already.
        """
        if repeated >= self.most or not _passing(failure):
            return None
        asked = failure.retry_after if isinstance(failure, ProblemError) else None
        if asked is not None:
            return asked if asked <= self.longest_retry_after else None
        longest = min(self.longest_wait, self.first_wait * 2.0**repeated)
        return longest * (0.5 + 0.5 * self.random())


USUAL_RETRIES = Retries()
NO_RETRIES = Retries(most=0)


def retry_after_seconds(value: str | None, now: datetime | None = None) -> float | None:
    """Read ``Retry-After``: seconds, or a date (RFC 9110, 10.2.3).

    Parameters
    ----------
    value
        The header's value; ``None`` where there is none.
    now
        What a date is compared with; the clock's time if left out.

    Returns
    -------
    Seconds from now, at least 0; ``None`` where nothing sensible is asked for.
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


def _passing(failure: DelayError) -> bool:
    if isinstance(failure, ProblemError):
        return failure.status in PASSING
    if isinstance(failure, TooSlowError):
        return failure.before_sending
    return isinstance(failure, NoAnswerError)
