"""Check the lists of columns and the schema."""

from __future__ import annotations

import pandas as pd
import pytest
from pandera.errors import SchemaErrors

from data.flights import Flights
from data.frame import to_flights_frame
from data.sample import generate_flights
from data.schema import (
    ENGLISH,
    FLIGHTS_SCHEMA,
    FRAME_COLUMNS,
    OUTCOME_COLUMNS,
    RAW_COLUMNS,
    SCHEDULE_COLUMNS,
    Raw,
)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """Give a typed frame of a few flights."""
    return to_flights_frame(generate_flights().head(100))[0]


def test_every_column_that_is_read_is_published_and_has_an_english_name() -> None:
    """The file's names, the published columns and the translation agree."""
    assert set(Raw) <= set(RAW_COLUMNS)
    assert set(Raw) == set(ENGLISH)
    assert len(set(ENGLISH.values())) == len(ENGLISH)


def test_schedule_and_outcome_share_no_column() -> None:
    """Schedule and outcome columns are disjoint and together all columns but `file_row`."""
    assert not set(SCHEDULE_COLUMNS) & set(OUTCOME_COLUMNS)
    assert set(FRAME_COLUMNS) == {*SCHEDULE_COLUMNS, *OUTCOME_COLUMNS, "file_row"}
    assert tuple(FLIGHTS_SCHEMA.columns) == FRAME_COLUMNS


def test_the_typed_frame_keeps_its_schema(frame: pd.DataFrame) -> None:
    """The frame of `to_flights_frame` satisfies the published schema."""
    FLIGHTS_SCHEMA.validate(frame)


def test_a_column_too_many_is_refused(frame: pd.DataFrame) -> None:
    """A column outside the schema is an error."""
    with pytest.raises(SchemaErrors, match="gate"):
        FLIGHTS_SCHEMA.validate(frame.assign(gate="21A"))


def test_the_schedule_is_what_flights_are_made_of(frame: pd.DataFrame) -> None:
    """`Flights` needs the schedule columns and nothing else."""
    flights = Flights.from_columns(frame[list(SCHEDULE_COLUMNS)])
    assert len(flights) == len(frame)
    assert (flights.departure == frame["scheduled_departure"].astype("int64") // 60).all()
