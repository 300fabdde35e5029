"""Check clock and calendar against known dates of Chile and a slow computation by day."""

from __future__ import annotations

import json
import sys
from datetime import date, datetime, time, timedelta
from itertools import count, takewhile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.flights import Flights
from features.calendar import FIRST_YEAR, HOLIDAY_REACH, LAST_YEAR, Clock, Holidays, Season
from features.transformer import FloatMatrix, Transformer

DAYS = st.dates(min_value=date(2000, 1, 20), max_value=date(2049, 12, 10))
MOMENTS = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2049, 12, 31, 23, 59))  # noqa: DTZ001 - the wall clock of Santiago

HOLIDAYS_OF_2017 = {
    *("2017-01-01", "2017-01-02", "2017-04-14", "2017-04-15", "2017-04-19", "2017-05-01"),
    *("2017-05-21", "2017-06-26", "2017-07-16", "2017-08-15", "2017-09-18", "2017-09-19"),
    *("2017-10-09", "2017-10-27", "2017-11-01", "2017-12-08", "2017-12-25"),
}


def _flights(*departures: str) -> Flights:
    n = len(departures)
    return Flights.from_columns(
        {
            "airline": ["LAN"] * n,
            "flight_number": ["120"] * n,
            "destination": ["SCFA"] * n,
            "flight_type": ["N"] * n,
            "scheduled_departure": np.array(departures, dtype="datetime64[s]"),
        }
    )


def _written(transformer: Transformer, *departures: str) -> FloatMatrix:
    out = np.full((len(departures), len(transformer.names)), np.nan)
    transformer.write(_flights(*departures), out)
    return out


def _facts(transformer: Transformer, departure: str) -> dict[str, float]:
    return dict(zip(transformer.names, _written(transformer, departure)[0].tolist(), strict=True))


@pytest.fixture(scope="module")
def holidays() -> Holidays:
    """Give Chile's calendar, as learned at fit."""
    return Holidays().fit(_flights())


@settings(derandomize=True, deadline=None)
@given(moment=MOMENTS)
def test_the_clock_agrees_with_datetime(moment: datetime) -> None:
    """Minute and weekday of any moment are those of Python's calendar."""
    clock = Clock.from_json({})
    assert _facts(clock, moment.isoformat(timespec="seconds")) == {
        "minute_of_day": moment.hour * 60 + moment.minute,
        "minute_of_hour": moment.minute,
        "weekday": moment.weekday(),
    }


@pytest.mark.parametrize("transformer", [Season(), Holidays()])
@pytest.mark.parametrize(
    "departure",
    [f"{FIRST_YEAR - 1}-12-31T23:59", f"{LAST_YEAR + 1}-01-01T00:00", "0001-01-01T00:00"],
)
def test_dates_beyond_the_calendar_are_refused(transformer: Transformer, departure: str) -> None:
    """One flight outside the years of the calendar is refused, and the years are named."""
    with pytest.raises(ValueError, match=f"{FIRST_YEAR} to {LAST_YEAR}"):
        _written(transformer, "2017-07-14T08:30", departure)


def test_the_calendar_holds_its_first_and_last_minute() -> None:
    """The first and the last minute are accepted, and the contract's years lie within."""
    ends = (f"{FIRST_YEAR}-01-01T00:00", f"{LAST_YEAR}-12-31T23:59")
    first, last = np.hstack([_written(Clock(), *ends), _written(Season(), *ends)]).tolist()
    assert (first[0], first[3]) == (0, 1)
    assert (last[0], last[3]) == (1439, 365 + (LAST_YEAR % 4 == 0))
    assert FIRST_YEAR <= 2000
    assert LAST_YEAR >= 2049


def test_all_holidays_of_a_year_are_known(holidays: Holidays) -> None:
    """Day by day, exactly Chile's public holidays of 2017 are holidays."""
    days = [str(date(2017, 1, 1) + timedelta(days=n)) for n in range(365)]
    found = _written(holidays, *days)[:, Holidays.names.index("is_holiday")]
    assert {day for day, is_holiday in zip(days, found, strict=True) if is_holiday} == (
        HOLIDAYS_OF_2017
    )


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        # Independence Day and Army Day, Monday and Tuesday after a weekend
        ("2017-09-14", {"days_to_holiday": 4, "run_ahead": 0, "run_of_days_off": 0}),
        ("2017-09-15", {"days_to_holiday": 3, "run_ahead": 4, "run_behind": 0, "is_holiday": 0}),
        ("2017-09-16", {"days_to_holiday": 2, "run_of_days_off": 4, "run_ahead": 0}),
        ("2017-09-18", {"is_holiday": 1, "days_to_holiday": 0, "days_since_holiday": 0}),
        ("2017-09-19", {"is_holiday": 1, "run_of_days_off": 4, "run_behind": 0}),
        ("2017-09-20", {"run_behind": 4, "run_ahead": 0, "days_since_holiday": 1}),
        ("2017-09-21", {"run_behind": 0, "days_since_holiday": 2}),
        # Good Friday, Holy Saturday and the Sunday
        ("2017-04-13", {"run_ahead": 3, "days_to_holiday": 1, "is_holiday": 0}),
        ("2017-04-14", {"is_holiday": 1, "run_of_days_off": 3}),
        ("2017-04-16", {"is_holiday": 0, "run_of_days_off": 3, "days_since_holiday": 1}),
        ("2017-04-17", {"run_behind": 3, "run_ahead": 0}),
        # a holiday alone, on a Tuesday after a working Monday
        ("2017-08-14", {"run_ahead": 1, "run_behind": 2}),
        ("2017-08-15", {"run_of_days_off": 1, "run_ahead": 0, "run_behind": 0}),
        ("2017-08-16", {"run_behind": 1, "run_ahead": 0}),
        # an ordinary weekend
        ("2017-08-04", {"run_ahead": 2, "run_behind": 0}),
        ("2017-08-05", {"run_of_days_off": 2, "is_holiday": 0}),
        ("2017-08-07", {"run_behind": 2}),
        ("2017-08-09", {"run_of_days_off": 0, "run_ahead": 0, "run_behind": 0}),
    ],
)
def test_known_days_off(holidays: Holidays, day: str, expected: dict[str, float]) -> None:
    """Eve, days off and the day after are those of Chile's calendar of 2017."""
    facts = _facts(holidays, f"{day}T12:00")
    assert {name: facts[name] for name in expected} == expected


def test_the_distance_to_a_holiday_is_capped(holidays: Holidays) -> None:
    """The distance to a holiday, before or after, is at most `HOLIDAY_REACH`."""
    facts = _facts(holidays, "2017-03-01")
    assert facts["days_to_holiday"] == facts["days_since_holiday"] == HOLIDAY_REACH
    assert _facts(holidays, "2017-03-31")["days_to_holiday"] == 14
    assert _facts(holidays, "2017-03-30")["days_to_holiday"] == 15
    assert _facts(holidays, "2017-03-29")["days_to_holiday"] == 15


@settings(derandomize=True, deadline=None, max_examples=200)
@given(day=DAYS)
def test_days_off_agree_with_a_slow_computation(day: date, holidays: Holidays) -> None:
    """Counting day by day gives the same figures, for any day of fifty years."""
    known = {date.fromisoformat(text) for text in holidays.dates_}

    def off(moved: int) -> bool:
        other = day + timedelta(days=moved)
        return other.weekday() >= 5 or other in known

    def run(start: int, step: int) -> int:
        return len(list(takewhile(off, count(start, step))))

    reach = int(HOLIDAY_REACH)
    facts = _facts(holidays, day.isoformat())
    assert facts["is_holiday"] == (day in known)
    assert facts["days_to_holiday"] == next(
        (n for n in range(reach) if day + timedelta(days=n) in known), reach
    )
    assert facts["days_since_holiday"] == next(
        (n for n in range(reach) if day - timedelta(days=n) in known), reach
    )
    assert facts["run_of_days_off"] == (run(0, 1) + run(-1, -1) if off(0) else 0)
    assert facts["run_ahead"] == (0 if off(0) else run(1, 1))
    assert facts["run_behind"] == (0 if off(0) else run(-1, -1))


@pytest.mark.parametrize(
    ("outside", "first", "last", "beyond"),
    [
        ("2016-12-14", "2016-12-15", "2017-03-03", "2017-03-04"),
        ("2017-07-14", "2017-07-15", "2017-07-31", "2017-08-01"),
        ("2017-09-10", "2017-09-11", "2017-09-30", "2017-10-01"),
    ],
)
def test_high_seasons_hold_their_first_and_last_day(
    outside: str, first: str, last: str, beyond: str
) -> None:
    """A high season begins at midnight of its first day and ends with its last."""
    found = _written(Season(), outside, first, f"{last}T23:59", beyond)
    assert found[:, Season.names.index("high_season")].tolist() == [0, 1, 1, 0]


@settings(derandomize=True, deadline=None)
@given(moment=MOMENTS)
def test_the_day_of_the_year_agrees_with_datetime(moment: datetime) -> None:
    """The day of the year of any moment is that of Python's calendar, leap years included."""
    facts = _facts(Season.from_json({}), moment.isoformat(timespec="seconds"))
    assert facts["day_of_year"] == moment.timetuple().tm_yday


@pytest.mark.parametrize(
    ("outside", "first", "last", "beyond"),
    [
        ("2016-12-15", "2016-12-16", "2017-03-01", "2017-03-02"),
        ("2017-07-07", "2017-07-08", "2017-07-23", "2017-07-24"),
        ("2017-09-15", "2017-09-16", "2017-09-24", "2017-09-25"),
    ],
)
def test_school_holidays_hold_their_first_and_last_day(
    holidays: Holidays, outside: str, first: str, last: str, beyond: str
) -> None:
    """School holidays include their first and their last day."""
    found = _written(holidays, outside, first, f"{last}T23:59", beyond)
    assert found[:, Holidays.names.index("school_holidays")].tolist() == [0, 1, 1, 0]


def test_a_day_is_the_same_from_midnight_to_midnight(holidays: Holidays) -> None:
    """The columns of the day do not depend on the minute of departure."""
    day = date(2017, 9, 18)
    ends = [datetime.combine(day, at).isoformat() for at in (time.min, time(12), time(23, 59))]
    first, *others = _written(holidays, *ends).tolist()
    assert others == [first, first]


def test_the_calendar_is_saved_with_the_model(
    holidays: Holidays, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restored calendar is the same without the `holidays` package."""
    saved = json.loads(json.dumps(holidays.to_json()))
    monkeypatch.setitem(sys.modules, "holidays", None)
    restored = Holidays.from_json(saved)
    days = [str(date(2000, 1, 1) + timedelta(days=n)) for n in range(0, 18000, 7)]
    assert (_written(restored, *days) == _written(holidays, *days)).all()
    assert restored.to_json() == saved
