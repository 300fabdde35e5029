"""Check the usual departures around a flight: against a slow count, without later schedules."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from data.flights import Flights
from features.timetable import MINUTE_WINDOWS, WEEKS, Timetable
from features.transformer import FloatMatrix

NAMES = Timetable.names


@pytest.fixture(scope="module")
def timetable(few_flights: Flights) -> Timetable:
    """Give the timetable of some 2,800 flights."""
    return Timetable().fit(few_flights)


def _written(timetable: Timetable, flights: Flights) -> FloatMatrix:
    out = np.empty((len(flights), len(NAMES)))
    timetable.write(flights, out)
    return out


def _point_in_time(timetable: Timetable, flights: Flights, as_of: int) -> FloatMatrix:
    out = np.empty((len(flights), len(NAMES)))
    timetable.point_in_time(flights, np.full(len(flights), as_of), out)
    return out


@pytest.mark.parametrize("name", list(MINUTE_WINDOWS))
def test_departures_are_counted_over_the_last_weeks(few_flights: Flights, name: str) -> None:
    """Each window equals a plain count over the last four same weekdays."""
    timetable = Timetable().fit(few_flights)
    at = few_flights.slice(len(few_flights) - 50, len(few_flights))
    as_of = int(at.day[0]) - 3
    found = _point_in_time(timetable, at, as_of)[:, NAMES.index(name)]
    first, last = MINUTE_WINDOWS[name]
    for n in range(len(at)):
        days = [d for d in range(as_of - 1, as_of - 57, -1) if (d - at.day[n]) % 7 == 0]
        used = [d for d in days if (few_flights.day == d).any()][:WEEKS]
        away = few_flights.minute - at.minute[n]
        inside = (away >= first) & (away < last) & np.isin(few_flights.day, used)
        assert found[n] == pytest.approx(inside.sum() / len(used))


def test_serving_is_the_point_in_time_of_the_day_after(
    timetable: Timetable, few_flights: Flights
) -> None:
    """Serving writes what training would write as of the day after the last flight."""
    again = _point_in_time(timetable, few_flights, timetable.as_of_)
    assert (_written(timetable, few_flights) == again).all()


def test_a_restored_timetable_is_the_same(timetable: Timetable, few_flights: Flights) -> None:
    """Restored from JSON, every cell is the same, and only the last weeks are saved."""
    saved = json.loads(json.dumps(timetable.to_json()))
    restored = Timetable.from_json(saved)
    assert (_written(restored, few_flights) == _written(timetable, few_flights)).all()
    assert len(saved["schedule"]) < len(few_flights) / 4
    assert restored.to_json() == timetable.to_json()


def test_later_schedules_change_nothing(few: pd.DataFrame, timetable: Timetable) -> None:
    """The schedule from a flight's `as_of` day on does not change its timetable."""
    cut = pd.Timestamp("2017-07-01")
    earlier = Flights.from_columns(few[few["scheduled_departure"] < cut])
    july = Flights.from_columns(few[few["scheduled_departure"].dt.month == 7])
    alone = Timetable().fit(earlier)
    as_of = int(july.day.min())
    columns = slice(0, 8)
    found = _point_in_time(timetable, july, as_of)[:, columns]
    assert (found == _point_in_time(alone, july, as_of)[:, columns]).all()


def test_without_any_schedule_before_it_is_missing(
    timetable: Timetable, few_flights: Flights
) -> None:
    """As of the first day the timetable is missing."""
    first = int(few_flights.day.min())
    assert np.isnan(_point_in_time(timetable, few_flights.slice(0, 20), first)).all()


def test_an_unknown_airline_has_no_departures(timetable: Timetable, few_flights: Flights) -> None:
    """An airline or destination outside the schedule has no departures."""
    one = few_flights.slice(0, 1)
    strange = Flights(["ZZZ"], one.flight_number, ["ZZZZ"], one.flight_type, one.departure)
    assert (_written(timetable, strange)[:, 8:] == 0).all()
