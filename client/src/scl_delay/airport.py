"""Compute the airport state from recent departures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from scl_delay._bulk.columns import is_missing, operation_columns
from scl_delay._bulk.frames import values_of
from scl_delay._transport.constants import (
    AIRPORT_HOURS,
    LATE_MINUTES,
    LONGEST_DELAY,
    SHORTEST_DELAY,
)
from scl_delay._transport.times import read_time
from scl_delay.models import AirportState, AirportWindow

NEEDED_HOURS = 3
"""Shortest history that a state needs, in hours."""

_WINDOWS = tuple(name for name in AirportState.model_fields if name.startswith("last_"))


def airport_state(
    departures: Any, at: datetime | str, *, hours: float = 24, time_zone: str | None = None
) -> AirportState:
    """Compute the airport state from the flights that left recently.

    Parameters
    ----------
    departures
        A frame of pandas or polars, or a dictionary of columns, with ``scheduled_departure`` and
        ``actual_departure`` (or ``Fecha-I`` and ``Fecha-O``), as times or text. Flights without
        an actual departure, and those that left after `at` or long before, are ignored.
    at
        Time of the observation. Without an offset: local time of the home airport.
    hours
        Length of the history in `departures`, at least 3. Longer windows are omitted from the
        state.
    time_zone
        Time zone of the home airport: ``time_zone`` of the model card. It is needed only if some
        times have an offset and others have none.

    Returns
    -------
    Departures, late share and mean delay of the last 1, 3, 6 and 24 hours. As in training, each
    delay is clipped to -15 to 120 minutes before the mean is taken.

    Raises
    ------
    ColumnsError
        If a column is missing.
    ValueError
        If `hours` is less than 3, a value is not a time, or times with and without an offset are
        mixed and `time_zone` is missing.

    Examples
    --------
    >>> departures = {
    ...     "scheduled_departure": ["2017-07-14T07:00", "2017-07-14T07:10"],
    ...     "actual_departure": ["2017-07-14T07:05", "2017-07-14T07:40"],
    ... }
    >>> airport_state(departures, "2017-07-14T08:00").last_hour.late_share
    0.5
    """
    if hours < NEEDED_HOURS:
        message = f"hours={hours}: a state needs the last {NEEDED_HOURS} hours"
        raise ValueError(message)
    zone = ZoneInfo(time_zone) if time_zone else None
    now = read_time(at, zone).replace(second=0, microsecond=0)
    left = _left(departures, now, zone)
    windows = {
        name: _window(left, now - timedelta(hours=reach))
        for name, reach in zip(_WINDOWS, AIRPORT_HOURS, strict=True)
        if reach <= hours
    }
    return AirportState(observed_at=now, **windows)


def _left(departures: Any, now: datetime, zone: ZoneInfo | None) -> list[tuple[datetime, float]]:
    """Return when each flight left, to the minute, and its delay in minutes."""
    names = operation_columns([str(name) for name in _names(departures)])
    pairs = zip(*(values_of(departures[name]) for name in names), strict=True)
    oldest = now - timedelta(hours=max(AIRPORT_HOURS))
    found = []
    for scheduled, actual in pairs:
        if is_missing(scheduled) or is_missing(actual):
            continue
        time, planned = (_comparable(now, read_time(each, zone)) for each in (actual, scheduled))
        if oldest < time < now + timedelta(minutes=1):
            delay = (time - planned).total_seconds() / 60
            found.append((time.replace(second=0, microsecond=0), delay))
    return found


def _comparable(now: datetime, time: datetime) -> datetime:
    if (time.tzinfo is None) != (now.tzinfo is None):
        message = (
            "some times have an offset and others have none: pass time_zone=, the home airport's "
            'time zone, which the model card has (client.model()["time_zone"])'
        )
        raise ValueError(message)
    return time


def _names(departures: Any) -> Iterable[Any]:
    columns: Iterable[Any] = getattr(departures, "columns", departures)
    return columns


def _window(left: Sequence[tuple[datetime, float]], after: datetime) -> AirportWindow:
    delays = [delay for time, delay in left if time > after]
    if not delays:
        return AirportWindow(departures=0)
    cut = [min(max(delay, SHORTEST_DELAY), LONGEST_DELAY) for delay in delays]
    return AirportWindow(
        departures=len(delays),
        late_share=sum(delay > LATE_MINUTES for delay in delays) / len(delays),
        mean_delay_minutes=sum(cut) / len(cut),
    )
