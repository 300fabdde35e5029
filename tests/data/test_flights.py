"""Check flights: columns that are read, times, slices and joins."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.flights import Flights
from data.schema import OUTCOME_COLUMNS, SCHEDULE_COLUMNS

COLUMNS: dict[str, list[Any]] = {
    "airline": ["LAN", "SKU", "48O"],
    "flight_number": ["120", "0007", "226A"],
    "destination": ["SCFA", "SCTE", "SPJC"],
    "flight_type": ["N", None, "I"],
    "scheduled_departure": ["2017-07-14T08:30", "2017-07-14T23:59", "2017-07-15T00:00"],
}
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the wall clock of Santiago, as in the schedule
MOMENTS = st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2100, 1, 1))  # noqa: DTZ001


class Recorder:
    """Columns that record which of them were read."""

    def __init__(self, columns: dict[str, Any]) -> None:
        self.asked: list[str] = []
        self._columns = columns

    def __getitem__(self, name: str, /) -> Any:
        self.asked.append(name)
        return self._columns[name]


def _as_rows(flights: Flights) -> list[tuple[str, str, str, str | None, int]]:
    return list(
        zip(
            flights.airline,
            flights.flight_number,
            flights.destination,
            flights.flight_type,
            flights.departure.tolist(),
            strict=True,
        )
    )


@pytest.fixture(scope="module")
def flights() -> Flights:
    """Give the three flights of `COLUMNS`."""
    return Flights.from_columns(COLUMNS)


def test_a_dictionary_of_lists_becomes_flights(flights: Flights) -> None:
    """Every value is unchanged and in its place; a missing type stays missing."""
    assert len(flights) == 3
    assert list(flights.airline) == COLUMNS["airline"]
    assert list(flights.flight_number) == COLUMNS["flight_number"]
    assert list(flights.destination) == COLUMNS["destination"]
    assert list(flights.flight_type) == COLUMNS["flight_type"]
    assert flights.departure.dtype == np.int64


def test_a_pandas_frame_gives_the_same_flights(flights: Flights) -> None:
    """A typed frame and a dictionary of lists give the same, whatever the frame's index."""
    frame = pd.DataFrame(COLUMNS, index=[7, 3, 7]).astype({"scheduled_departure": "datetime64[s]"})
    typed = Flights.from_columns(frame.iloc[[0, 2]])
    assert _as_rows(typed) == [_as_rows(flights)[0], _as_rows(flights)[2]]


def test_a_type_missing_in_a_frame_is_left_out() -> None:
    """A missing type in a frame is read like None in a dictionary."""
    assert list(Flights.from_columns(pd.DataFrame(COLUMNS)).flight_type) == ["N", None, "I"]


def test_text_of_a_frame_is_plain_text(frame: pd.DataFrame) -> None:
    """Text columns of a frame give Python strings, which are fast to look up."""
    flights = Flights.from_columns(frame.head(50))
    for column in (flights.airline, flights.flight_number, flights.destination):
        assert {type(value) for value in column} == {str}


def test_only_the_schedule_is_read(frame: pd.DataFrame) -> None:
    """Only the five columns of the schedule are read, and `Flights` has no other field."""
    columns = Recorder({name: frame[name].head(5) for name in frame.columns})
    Flights.from_columns(columns)
    assert sorted(columns.asked) == sorted(SCHEDULE_COLUMNS)
    assert not {field.name for field in fields(Flights)} & set(OUTCOME_COLUMNS)


def test_a_missing_column_is_named(flights: Flights) -> None:
    """A missing destination column raises an error with its name."""
    with pytest.raises(KeyError, match="destination"):
        Flights.from_columns({k: v for k, v in COLUMNS.items() if k != "destination"})


def test_departures_count_minutes_since_1970(flights: Flights) -> None:
    """Minutes, days and minutes of the day are those of the local time."""
    day = (datetime(2017, 7, 14) - EPOCH).days  # noqa: DTZ001
    assert flights.departure.tolist() == [
        day * 1440 + 510,
        day * 1440 + 1439,
        (day + 1) * 1440,
    ]
    assert flights.day.tolist() == [day, day, day + 1]
    assert flights.minute.tolist() == [510, 1439, 0]


@settings(derandomize=True, deadline=None)
@given(moment=MOMENTS)
def test_day_and_minute_agree_with_the_calendar(moment: datetime) -> None:
    """Day and minute equal those of `datetime` for any moment, before 1970 too."""
    flights = Flights.from_columns(
        {name: values[:1] for name, values in COLUMNS.items()}
        | {"scheduled_departure": np.array([moment], dtype="datetime64[s]")}
    )
    assert EPOCH.date() + timedelta(days=int(flights.day[0])) == moment.date()
    assert flights.minute[0] == moment.hour * 60 + moment.minute


@settings(derandomize=True, deadline=None)
@given(cuts=st.lists(st.integers(0, 200), max_size=6).map(sorted))
def test_slices_join_to_the_whole(cuts: list[int], frame: pd.DataFrame) -> None:
    """The slices of a batch, empty ones too, join to the same batch."""
    whole = Flights.from_columns(frame.head(200))
    bounds = [0, *cuts, 200]
    parts = [whole.slice(start, stop) for start, stop in pairwise(bounds)]
    assert [len(part) for part in parts] == np.diff(bounds).tolist()
    assert _as_rows(Flights.concatenate(parts)) == _as_rows(whole)


def test_a_slice_leaves_out_its_last(flights: Flights) -> None:
    """A slice begins at its start and ends before its stop."""
    assert _as_rows(flights.slice(1, 2)) == _as_rows(flights)[1:2]


def test_batches_join_in_their_order(flights: Flights) -> None:
    """Joined batches keep their order."""
    turned = Flights.concatenate([flights.slice(2, 3), flights.slice(0, 2)])
    assert list(turned.flight_number) == ["226A", "120", "0007"]
    assert turned.minute.tolist() == [0, 510, 1439]


def test_one_batch_alone_is_not_copied(flights: Flights) -> None:
    """Joining a single batch returns the same object."""
    assert Flights.concatenate([flights]) is flights


def test_flights_do_not_change(flights: Flights) -> None:
    """A column cannot be replaced once the flights are made."""
    with pytest.raises(FrozenInstanceError):
        flights.airline = []  # type: ignore[misc]
