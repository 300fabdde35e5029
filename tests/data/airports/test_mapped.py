"""Check the conversion of another airport's table and its error messages."""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

from data.airports.mapped import to_mapped_frame
from data.airports.mapping import load_mapping
from data.errors import InvalidRowsError, MappingError, MissingColumnsError, NoFlightsError
from data.load import load_flights
from data.schema import FLIGHTS_SCHEMA, FRAME_COLUMNS

AIRPORTS = Path(__file__).parents[3] / "examples" / "airports"
MAPPING = load_mapping(AIRPORTS / "new-york.toml")

ROWS = pd.DataFrame(
    {
        "carrier": ["UA", "B6", "9E", "UA", "UA"],
        "flight": ["1545", "703", "3300", "11", "12"],
        "origin": ["EWR", "EWR", "JFK", "EWR", "EWR"],
        "dest": ["IAH", "SJU", "BOS", "LHR", "ORD"],
        "scheduled_departure": ["2013-01-01 05:15", "2013-03-10 23:59", *["2013-07-04 10:00"] * 3],
        "actual_departure": [
            *("2013-01-01 05:17", "2013-03-11 01:10", "2013-07-04 10:00"),
            *(None, "2013-07-04 10:16"),
        ],
    }
)


def _with(**columns: Any) -> pd.DataFrame:
    return ROWS.assign(**columns)


def test_rows_become_flights() -> None:
    """Codes are translated, types follow from the destination, delays may pass midnight."""
    frame, dropped = to_mapped_frame(ROWS, MAPPING)
    FLIGHTS_SCHEMA.validate(frame)
    assert tuple(frame.columns) == FRAME_COLUMNS
    assert dropped == 0
    assert frame["airline"].tolist() == ["UAL", "JBU", "UAL"]
    assert frame["destination"].tolist() == ["KIAH", "TJSJ", "KORD"]
    assert frame["flight_type"].tolist() == ["N", "N", "N"]
    assert frame["delay_minutes"].tolist() == [2.0, 71.0, 16.0]
    assert frame["delayed"].tolist() == [False, True, True]
    assert frame["file_row"].tolist() == [0, 1, 4]


def test_what_is_left_out_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    """Flights of other origins and flights that never left are logged separately."""
    with caplog.at_level(logging.INFO):
        to_mapped_frame(ROWS, MAPPING)
    assert caplog.messages == [
        "1 of 5 rows do not leave from KEWR: left out",
        "1 of 4 rows have no actual departure: left out",
    ]


def test_a_flight_abroad_is_international() -> None:
    """London is not among the domestic prefixes."""
    frame, _ = to_mapped_frame(_with(actual_departure=["2013-07-04 10:00"] * 5), MAPPING, **DROP)
    types = dict(zip(frame["destination"], frame["flight_type"], strict=True))
    assert types["EGLL"] == "I"


DROP = {"drop_invalid": True}


def test_bad_rows_are_reported_in_the_terms_of_the_file() -> None:
    """Columns, lines and date format are the file's own, even if rows were left out."""
    bad = _with(
        dest=["IAH", "SJU", "BOS", "LHR", "QQQ"],
        scheduled_departure=["2013-01-01 05:15", "10/03/2013", *["2013-07-04 10:00"] * 3],
    )
    with pytest.raises(InvalidRowsError) as refused:
        to_mapped_frame(bad, MAPPING)
    problems = {each.column: each for each in refused.value.problems}
    assert problems["dest"].examples == ((6, "QQQ"),)
    dates = problems["scheduled_departure"]
    assert dates.examples == ((3, "10/03/2013"),)
    assert dates.rule == "missing, or not a date as %Y-%m-%d %H:%M"
    frame, dropped = to_mapped_frame(bad, MAPPING, drop_invalid=True)
    assert (len(frame), dropped) == (1, 2)


def test_a_missing_column_is_named_as_in_the_mapping() -> None:
    """Mapped columns that the file lacks are listed, with the columns that it has."""
    with pytest.raises(MissingColumnsError) as refused:
        to_mapped_frame(ROWS.drop(columns="carrier"), MAPPING)
    assert refused.value.missing == ("carrier",)
    assert "flight" in refused.value.found


def test_a_file_of_another_airport_alone_is_refused() -> None:
    """A file without departures from the configured airport is refused with its name."""
    with pytest.raises(NoFlightsError, match="left KEWR"):
        to_mapped_frame(_with(origin=["JFK"] * 5), MAPPING)


@pytest.mark.parametrize("source", [None, "sample"])
def test_a_mapping_needs_a_file(source: str | None) -> None:
    """A mapping without a file is refused: the sample and public copies are Santiago's."""
    with pytest.raises(MappingError, match="--data"):
        load_flights(source, mapping=AIRPORTS / "new-york.toml")


def test_a_file_is_loaded_by_its_mapping(tmp_path: Path) -> None:
    """The dataset has the mapping's airport and names the mapping."""
    path = tmp_path / "flights.csv"
    ROWS.to_csv(path, index=False)
    dataset = load_flights(str(path), mapping=AIRPORTS / "new-york.toml")
    assert dataset.airport_config == MAPPING.airport_config
    assert dataset.origin == "the file flights.csv, mapped by new-york.toml"
    assert len(dataset.frame) == 3
    assert not dataset.is_sample


@pytest.fixture(scope="module")
def new_york() -> ModuleType:
    """Load the script of the example."""
    spec = importlib.util.spec_from_file_location("new_york", AIRPORTS / "new_york.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def test_the_example_writes_what_its_mapping_reads(new_york: ModuleType, tmp_path: Path) -> None:
    """The script's file is read: times as hhmm, a delay past midnight, a cancelled flight."""
    table = pd.DataFrame(
        {
            "year": [2013] * 3,
            "month": [1, 3, 7],
            "day": [1, 10, 4],
            "sched_dep_time": [515, 2359, 1000],
            "dep_delay": [2.0, 71.0, None],
            "carrier": ["UA", "B6", "UA"],
            "flight": [1545, 703, 11],
            "origin": ["EWR"] * 3,
            "dest": ["IAH", "SJU", "LHR"],
        }
    )
    path = tmp_path / "flights.csv"
    new_york.departures(table).to_csv(path, index=False, date_format=new_york.DATE_FORMAT)
    frame = load_flights(str(path), mapping=AIRPORTS / "new-york.toml").frame
    assert frame["delay_minutes"].tolist() == [2.0, 71.0]
    assert frame["actual_departure"].astype(str).tolist()[1] == "2013-03-11 01:10:00"


def test_a_missing_package_is_named(new_york: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The script names the package to install."""
    monkeypatch.setattr(new_york, "PACKAGE", "no_such_package_of_flights")
    with pytest.raises(SystemExit, match="pip install --no-deps no_such_package_of_flights"):
        new_york.packaged_table()
