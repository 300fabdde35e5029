"""Tests that the client computes the airport state as training does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from data.flights import Outcomes
from data.schema import Raw
from features.airport import airport_states
from scl_delay import AirportState, ColumnsError, airport_state
from scl_delay.models import AirportWindow

ZONE = "America/Santiago"
COLUMNS = ["scheduled_departure", "actual_departure"]


@pytest.fixture(scope="module")
def departures(frame: pd.DataFrame) -> pd.DataFrame:
    """Return some days of departures whose times have random seconds."""
    days = frame["scheduled_departure"].between("2017-07-10", "2017-07-14")
    some = frame.loc[days, COLUMNS].reset_index(drop=True)
    seconds = np.random.default_rng(1).integers(0, 60, len(some))
    actual = some["actual_departure"] + pd.to_timedelta(seconds, unit="s")
    return some.assign(actual_departure=actual)


def figures(state: AirportState) -> list[float]:
    """Return the twelve numbers in the order of the features."""
    windows = (state.last_hour, state.last_3_hours, state.last_6_hours, state.last_24_hours)
    return [value for window in windows for value in _numbers(window)]


def _numbers(window: AirportWindow | None) -> list[float]:
    assert window is not None
    late, delay = window.late_share, window.mean_delay_minutes
    return [window.departures, *(np.nan if each is None else each for each in (late, delay))]


def expected(departures: pd.DataFrame, at: pd.Timestamp) -> np.ndarray:
    """Return the twelve numbers as training computes them."""
    delay = (departures["actual_departure"] - departures["scheduled_departure"]).dt.total_seconds()
    outcomes = Outcomes.from_columns(
        departures.assign(delay_minutes=delay / 60, delayed=delay / 60 > 15)
    )
    minutes = np.array([at.to_datetime64()], dtype="datetime64[m]").astype(np.int64)
    row: np.ndarray = airport_states(outcomes, minutes)[0]
    return row


def test_the_state_equals_the_one_of_training(departures: pd.DataFrame) -> None:
    """All twelve numbers agree at times over three days, including quiet nights."""
    for at in pd.date_range("2017-07-11T00:00:07", "2017-07-13T23:59:59", periods=60):
        state = airport_state(departures, at.floor("s").to_pydatetime())
        np.testing.assert_allclose(
            figures(state), expected(departures, at), rtol=1e-9, atol=1e-9, err_msg=str(at)
        )


def _as_polars(frame: pd.DataFrame) -> Any:
    return pl.DataFrame({name: frame[name].dt.to_pydatetime() for name in COLUMNS})


def _as_dictionary(frame: pd.DataFrame) -> Any:
    return {name: frame[name].astype(str).tolist() for name in COLUMNS}


def _as_raw_text(frame: pd.DataFrame) -> Any:
    names = {COLUMNS[0]: str(Raw.SCHEDULED_DEPARTURE), COLUMNS[1]: str(Raw.ACTUAL_DEPARTURE)}
    return frame.astype(str).rename(columns=names)


def _with_offset(frame: pd.DataFrame) -> Any:
    return frame.apply(lambda column: column.dt.tz_localize(ZONE).dt.tz_convert("UTC"))


@pytest.mark.parametrize("form", [_as_polars, _as_dictionary, _as_raw_text, _with_offset])
def test_every_form_of_departures_gives_the_same_state(departures: pd.DataFrame, form: Any) -> None:
    """Frames, dictionaries, text, raw names and time zones give the same state."""
    at = "2017-07-12T09:30:00"
    expected = airport_state(departures, at)
    assert airport_state(form(departures), at, time_zone=ZONE) == expected
    assert airport_state(departures, "2017-07-12T13:30:00Z", time_zone=ZONE) == expected


def test_times_with_offsets_need_no_zone(departures: pd.DataFrame) -> None:
    """The figures are the same, and the observation time keeps its offset."""
    newark = departures.apply(lambda column: column.dt.tz_localize("America/New_York"))
    found = airport_state(newark, "2017-07-12T13:30:00Z")
    assert figures(found) == figures(airport_state(departures, "2017-07-12T09:30:00"))
    assert found.observed_at == "2017-07-12T13:30:00+00:00"


@pytest.mark.parametrize("at", ["2017-07-12T09:30:00", "2017-07-12T13:30:00Z"])
def test_mixed_times_need_the_zone(departures: pd.DataFrame, at: str) -> None:
    """Times with and without an offset raise unless `time_zone` is given."""
    mixed = departures if at.endswith("Z") else _with_offset(departures)
    with pytest.raises(ValueError, match="pass time_zone="):
        airport_state(mixed, at)


def test_flights_that_had_not_left_are_ignored(departures: pd.DataFrame) -> None:
    """Flights without an actual departure, or with one in the future, change nothing."""
    at = pd.Timestamp("2017-07-12T09:30")
    past = departures[departures["actual_departure"] < at + pd.Timedelta(minutes=1)]
    waiting = pd.DataFrame({COLUMNS[0]: [at] * 3, COLUMNS[1]: [pd.NaT] * 3})
    known = pd.concat([past, waiting])
    assert airport_state(known, at) == airport_state(departures, at)


def test_windows_longer_than_the_history_are_omitted(departures: pd.DataFrame) -> None:
    """A history of six hours gives no window of 24 hours; less than three hours raise."""
    state = airport_state(departures, "2017-07-12T09:30", hours=6)
    assert state.last_6_hours is not None
    assert state.last_24_hours is None
    with pytest.raises(ValueError, match="last 3 hours"):
        airport_state(departures, "2017-07-12T09:30", hours=1)


def test_a_window_without_departures_has_no_shares() -> None:
    """Without departures, late share and mean delay are None."""
    state = airport_state({name: [] for name in COLUMNS}, "2017-07-12T09:30")
    assert state.last_hour == AirportWindow(departures=0)


def test_missing_columns_are_named() -> None:
    """The error has both names of the missing column and the columns found."""
    with pytest.raises(
        ColumnsError, match=r"'actual_departure' \(or 'Fecha-O'\); columns found: Fecha-I"
    ):
        airport_state({"Fecha-I": []}, "2017-07-12T09:30")
