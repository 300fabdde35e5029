"""Parse and format times: ISO 8601; without an offset, local time of the home airport."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from scl_delay._transport.constants import DEPARTURE_PATTERN

_NOT_A_TIME = "must be a date and time in ISO 8601, years 2000 to 2049, like 2017-07-14T08:30:00"
_is_accepted = re.compile(DEPARTURE_PATTERN).fullmatch


def departure_text(value: object) -> str:
    """Return a scheduled departure as text for a request.

    Parameters
    ----------
    value
        ISO 8601 text or a `datetime`. The service converts a time with an offset; a time without
        one is local time of the home airport.

    Raises
    ------
    ValueError
        If it is neither, or outside the years 2000 to 2049.
    """
    text = value.isoformat() if isinstance(value, datetime) else value
    if not isinstance(text, str) or not _is_accepted(text):
        raise ValueError(_NOT_A_TIME)
    return text


def read_time(value: object, zone: ZoneInfo | None) -> datetime:
    """Return a time from text or a `datetime`; one with an offset in local time of `zone`, or UTC.

    Raises
    ------
    ValueError
        If it is not a time.
    """
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(moment, datetime):
        raise ValueError(_NOT_A_TIME)  # noqa: TRY004 - same error as for invalid text
    if moment.tzinfo is None:
        return moment
    return moment.astimezone(UTC) if zone is None else moment.astimezone(zone).replace(tzinfo=None)
