"""Times as the service reads them: ISO 8601, the home airport's clock where no offset is given."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from scl_delay._transport.constants import DEPARTURE_PATTERN

_NOT_A_TIME = "must be a date and time in ISO 8601, years 2000 to 2049, like 2017-07-14T08:30:00"
_is_accepted = re.compile(DEPARTURE_PATTERN).fullmatch


def departure_text(value: object) -> str:
    """Return a time as it is sent.

    Parameters
    ----------
    value
        Text in ISO 8601 or a `datetime`. With an offset the service converts it; without one it
        is on the home airport's wall clock.

    Raises
    ------
    ValueError
        Where it is neither, or outside the years 2000 to 2049.
    """
    text = value.isoformat() if isinstance(value, datetime) else value
    if not isinstance(text, str) or not _is_accepted(text):
        raise ValueError(_NOT_A_TIME)
    return text


def read_time(value: object, zone: ZoneInfo | None) -> datetime:
    """Return a time, text or `datetime`: one with an offset on a zone's wall clock, or in UTC.

    Raises
    ------
    ValueError
        Where it is no time.
    """
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(moment, datetime):
        raise ValueError(_NOT_A_TIME)  # noqa: TRY004 - text that is no time is a value too
    if moment.tzinfo is None:
        return moment
    return moment.astimezone(UTC) if zone is None else moment.astimezone(zone).replace(tzinfo=None)
