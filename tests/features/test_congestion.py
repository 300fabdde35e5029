"""The usual traffic around a flight against a slow count by hand."""

from __future__ import annotations

import json
from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from data.flights import Flights
from features.congestion import SLOT_MINUTES, Congestion
from features.family import FloatMatrix

WEEK_MINUTES = 7 * 24 * 60
AROUND, BEFORE, DAY = range(3)
MONDAY, TUESDAY, NEXT_MONDAY = "2017-07-10", "2017-07-11", "2017-07-17"


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


def _written(congestion: Congestion, flights: Flights) -> FloatMatrix:
    out = np.full((len(flights), len(Congestion.names)), np.nan)
    congestion.write(flights, out)
    return out


def _slow_count(trained: pd.Series[pd.Timestamp], departure: datetime) -> tuple[float, ...]:
    """Count training departures around one flight, each weighing one over its weekday's dates."""
    dates_of_weekday = trained.dt.date.drop_duplicates().map(lambda day: day.weekday())
    weight = {weekday: 1 / n for weekday, n in dates_of_weekday.value_counts().items()}
    here = departure.weekday() * 1440 + departure.hour * 60 + departure.minute
    here -= here % SLOT_MINUTES
    around = before = day = 0.0
    for other in trained:
        there = other.weekday() * 1440 + other.hour * 60 + other.minute
        ahead = (there - here) % WEEK_MINUTES
        around += weight[other.weekday()] * (ahead < 30 or ahead >= WEEK_MINUTES - 30)
        before += weight[other.weekday()] * (ahead >= WEEK_MINUTES - 60)
        day += weight[other.weekday()] * (other.weekday() == departure.weekday())
    return around, before, day


def test_counts_agree_with_a_slow_count(few: pd.DataFrame) -> None:
    """For flights all over the week, the table says what counting one by one says."""
    trained = few["scheduled_departure"].iloc[::4]
    asked = few.iloc[1::97]
    congestion = Congestion().fit(Flights.from_columns(few.iloc[::4]))
    expected = [_slow_count(trained, departure) for departure in asked["scheduled_departure"]]
    found = _written(congestion, Flights.from_columns(asked))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
    assert found.std(axis=0).min() > 0


def test_departures_are_averaged_over_the_days_of_their_weekday() -> None:
    """Two departures at eight on one of two Mondays are one on a usual Monday."""
    trained = _flights(f"{MONDAY}T08:00", f"{MONDAY}T08:04", f"{NEXT_MONDAY}T20:00")
    found = _written(Congestion().fit(trained), _flights("2017-12-04T08:02", "2017-12-05T08:02"))
    assert found.tolist() == [[1, 0, 1.5], [0, 0, 0]]


@pytest.mark.parametrize(
    ("departure", "around", "before"),
    [
        ("07:29", 0, 0),
        ("07:30", 0, 0),
        ("07:35", 1, 0),
        ("08:00", 1, 0),
        ("08:05", 1, 1),
        ("08:34", 1, 1),
        ("08:35", 0, 1),
        ("09:04", 0, 1),
        ("09:05", 0, 0),
    ],
)
def test_the_bounds_of_the_hour(departure: str, around: float, before: float) -> None:
    """Around is half an hour to either side, before the hour that ends with the flight's slot."""
    congestion = Congestion().fit(_flights(f"{MONDAY}T08:00"))
    found = _written(congestion, _flights(f"{MONDAY}T{departure}"))[0]
    assert (found[AROUND], found[BEFORE], found[DAY]) == (around, before, 1)


def test_the_week_is_a_circle() -> None:
    """Just after midnight on Monday, the departures of late Sunday are near."""
    congestion = Congestion().fit(_flights("2017-07-16T23:50"))
    found = _written(congestion, _flights("2017-07-17T00:10", "2017-07-16T00:10"))
    assert found.tolist() == [[1, 1, 0], [0, 0, 1]]


def test_midnight_joins_two_days() -> None:
    """The hour before a flight at ten past midnight lies on the day before."""
    congestion = Congestion().fit(_flights(f"{MONDAY}T23:30", f"{MONDAY}T23:00"))
    assert _written(congestion, _flights(f"{TUESDAY}T00:10"))[0].tolist() == [0, 1, 0]


def test_congestion_survives_being_saved(few_flights: Flights) -> None:
    """Through JSON and back, every flight is written the same, bit for bit."""
    congestion = Congestion().fit(few_flights)
    restored = Congestion.from_json(json.loads(json.dumps(congestion.to_json())))
    assert (_written(restored, few_flights) == _written(congestion, few_flights)).all()
    assert restored.to_json() == congestion.to_json()
