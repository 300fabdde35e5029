"""Tests of frames of pandas and polars: results are added, outcomes are never sent."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import httpx
import numpy as np
import pandas as pd
import polars as pl
import pytest

from data.flights import Flights
from data.schema import OUTCOME_COLUMNS, RAW_COLUMNS, SCHEDULE_COLUMNS
from model.inference.bundle import Bundle
from scl_delay import ColumnsError, DelayClient, IncompleteError
from scl_delay._bulk import frames
from tests.client._bulk.test_batches import Service
from tests.client.conftest import ClientRunner
from tests.client.faults import FaultServer, answer, cut_in_the_middle
from tests.support.server import Server

RESULTS = ["delay_probability", "delayed", "risk"]


@pytest.fixture(scope="module")
def typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a sample of the typed frame, with outcomes."""
    return frame.sample(700, random_state=3)


def raw_columns(typed: pd.DataFrame) -> pd.DataFrame:
    """Return the flights with the published file's columns; the other columns hold garbage."""
    garbage = dict.fromkeys(RAW_COLUMNS, "garbage")
    text = typed["scheduled_departure"].dt.strftime("%Y-%m-%d %H:%M:%S")
    return pd.DataFrame(garbage, index=typed.index).assign(
        **{
            "Fecha-I": text,
            "Vlo-I": typed["flight_number"],
            "Des-I": typed["destination"],
            "Emp-I": typed["airline"],
            "TIPOVUELO": typed["flight_type"],
        }
    )


@pytest.mark.server
@pytest.mark.parametrize("form", ["typed", "raw", "polars", "polars raw", "zoned"])
def test_every_form_gets_the_models_own_scores(
    runner: ClientRunner, live: Server, typed: pd.DataFrame, bundle: Bundle, form: str
) -> None:
    """English or raw names, either library, with or without a zone give the model's scores."""
    expected = bundle.predictor.predict(Flights.from_columns(typed)).probability
    table: Any = raw_columns(typed) if "raw" in form else typed[list(SCHEDULE_COLUMNS)]
    if form == "zoned":
        noon = typed["scheduled_departure"].dt.tz_localize(
            "America/Santiago", ambiguous="NaT", nonexistent="NaT"
        )
        keep = noon.notna().to_numpy()
        table = table[keep].assign(scheduled_departure=noon[keep].dt.tz_convert("UTC"))
        expected = expected[keep]
    if "polars" in form:
        table = pl.DataFrame({str(name): _plain(table[name]) for name in table.columns})
    scored = runner.call(live.url, "predict_frame", table, chunk=200)
    assert type(scored) is type(table)
    assert list(scored.columns) == [*table.columns, *RESULTS]
    assert np.abs(np.asarray(scored["delay_probability"]) - expected).max() < 1e-9
    threshold = runner.call(live.url, "model")["threshold"]
    assert list(scored["delayed"]) == [each >= threshold for each in expected]


def _plain(column: Any) -> list[Any]:
    values: list[Any] = column.tolist()
    return [value.to_pydatetime() if isinstance(value, pd.Timestamp) else value for value in values]


def test_the_callers_frame_is_not_changed(typed: pd.DataFrame) -> None:
    """The result keeps the index, and the argument is unchanged."""
    service = Service()
    given = typed[list(SCHEDULE_COLUMNS)].assign(flight_number="7")
    before = given.copy()
    with DelayClient("http://x", transport=service.transport()) as client:
        scored = client.predict_frame(given)
        assert scored.index.equals(before.index)
        again = client.predict_frame(scored)
    pd.testing.assert_frame_equal(given, before)
    pd.testing.assert_frame_equal(again, scored)


def sent(table: Any) -> list[dict[str, Any]]:
    """Return the flights that the client sends for a frame."""
    got: list[dict[str, Any]] = []

    def note(request: httpx.Request) -> httpx.Response:
        flights = json.loads(request.content)["flights"]
        got.extend(flights)
        one = {"probability": 0.1, "delayed": False, "risk": "low", "unknown": []}
        return httpx.Response(200, json={"model": "m", "predictions": [one] * len(flights)})

    with DelayClient("http://x", transport=httpx.MockTransport(note)) as client:
        client.predict_frame(table)
    return got


def test_outcomes_are_never_sent(typed: pd.DataFrame) -> None:
    """Only the columns of the schedule are sent."""
    for table in (typed, raw_columns(typed), pl.DataFrame({"O": ["x"], **ONE})):
        for flight in sent(table):
            assert set(flight) <= set(SCHEDULE_COLUMNS)
            assert not set(flight) & set(OUTCOME_COLUMNS)
            assert "garbage" not in flight.values()


ONE: dict[str, list[Any]] = {
    "airline": ["LAN"],
    "flight_number": ["120"],
    "destination": ["SCFA"],
    "scheduled_departure": ["2017-07-14T08:30:00"],
}


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("flight_number", 226, "226"),
        ("flight_number", 226.0, "226"),
        ("flight_number", " 226a ", "226A"),
        ("airline", " LAN ", "LAN"),
        ("flight_type", None, None),
        ("flight_type", "N", "N"),
        ("scheduled_departure", datetime(2017, 7, 14), "2017-07-14T00:00:00"),  # noqa: DTZ001 - local time
        ("scheduled_departure", datetime(2017, 7, 14, 8, 30, 15), "2017-07-14T08:30:15"),  # noqa: DTZ001 - likewise
        ("scheduled_departure", "2017-07-14 08:30:00", "2017-07-14 08:30:00"),
    ],
)
def test_values_are_formatted_as_in_the_contract(
    library: Any, column: str, value: Any, expected: str | None
) -> None:
    """Numeric flight numbers, spaces, missing types and times are converted."""
    (flight,) = sent(library({**ONE, column: [value]}))
    assert flight == {**{name: values[0] for name, values in ONE.items()}, column: expected}


def test_categories_are_sent_as_text() -> None:
    """The values of a categorical column are sent as text."""
    (flight,) = sent(pd.DataFrame(ONE).astype({"airline": "category", "destination": "category"}))
    assert (flight["airline"], flight["destination"]) == ("LAN", "SCFA")


def test_an_empty_frame_gets_the_result_columns() -> None:
    """The result of an empty frame has no rows and all columns."""
    with DelayClient("http://x", transport=Service().transport()) as client:
        for library in (pd.DataFrame, pl.DataFrame):
            scored: Any = client.predict_frame(library({name: [] for name in ONE}))
            assert len(scored) == 0
            assert list(scored.columns) == [*ONE, *RESULTS]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (pd.DataFrame({"Emp-I": ["LAN"]}), r"'flight_number' \(or 'Vlo-I'\); columns found: Emp-I"),
        (pl.DataFrame(), "columns found: none"),
        (pl.LazyFrame(ONE), "collect a LazyFrame"),
        ([ONE], "predict_many"),
    ],
)
def test_an_invalid_table_raises_columns_error(table: Any, words: str) -> None:
    """The error names missing columns, or says what to pass instead."""
    with DelayClient("http://x") as client, pytest.raises(ColumnsError, match=words):
        client.predict_frame(table)


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame])
def test_an_interrupted_frame_can_be_completed(runner: ClientRunner, library: Any) -> None:
    """`done` and `remaining` are frames that together have all rows."""
    rows = {name: values * 60 for name, values in ONE.items()}
    table = library({**rows, "flight_number": [str(number) for number in range(60)]})
    options = {"chunk": 10, "concurrency": 2, "client": {"retries": 0}}
    with (
        FaultServer([answer, answer, cut_in_the_middle]) as server,
        pytest.raises(IncompleteError) as caught,
    ):
        runner.call(server.url, "predict_frame", table, **options)
    stopped = caught.value
    assert type(stopped.done) is type(stopped.remaining) is library
    assert len(stopped.done) == stopped.answered
    with FaultServer([answer]) as server:
        rest = runner.call(server.url, "predict_frame", stopped.remaining, **options)
    whole = [*stopped.done["delay_probability"], *rest["delay_probability"]]
    assert whole == [number / 10_000 for number in range(60)]


def test_column_names_work_for_both_libraries() -> None:
    """`column_names` returns the same list for pandas and polars."""
    assert frames.column_names(pd.DataFrame(ONE)) == frames.column_names(pl.DataFrame(ONE))
