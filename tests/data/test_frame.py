"""Check the conversion of text columns to the typed, validated, time-ordered frame."""

from __future__ import annotations

from random import Random

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from data.errors import InvalidRowsError, MissingColumnsError, NoFlightsError
from data.frame import data_hash, to_flights_frame
from data.sample import generate_flights
from data.schema import FRAME_COLUMNS, Raw

Row = dict[str, str | None]

ROWS = 300
FLIGHT: Row = {
    "Fecha-I": "2017-07-14 08:30:00",
    "Vlo-I": "120",
    "Ori-I": "SCEL",
    "Des-I": "SCFA",
    "Emp-I": "LAN",
    "Fecha-O": "2017-07-14 08:46:00",
    "Vlo-O": "120",
    "Des-O": "SCFA",
    "Emp-O": "LXP",
    "TIPOVUELO": "N",
    "OPERA": "Grupo LATAM",
}


def _raw(*changes: Row) -> pd.DataFrame:
    """Return one row for each set of changes to `FLIGHT`."""
    return pd.DataFrame([{**FLIGHT, **change} for change in changes])


def _refused(raw: pd.DataFrame) -> InvalidRowsError:
    with pytest.raises(InvalidRowsError) as caught:
        to_flights_frame(raw)
    return caught.value


@pytest.fixture(scope="module")
def raw() -> pd.DataFrame:
    """Give a few hundred flights of the sample, spread over the year."""
    return generate_flights().sample(ROWS, random_state=0).reset_index(drop=True)


def test_a_row_becomes_a_flight() -> None:
    """Every column has its English name, its type and its value."""
    frame, dropped = to_flights_frame(_raw({}))
    assert dropped == 0
    assert frame.loc[0].to_dict() == {
        "airline": "LAN",
        "flight_number": "120",
        "destination": "SCFA",
        "scheduled_departure": pd.Timestamp("2017-07-14 08:30"),
        "flight_type": "N",
        "actual_departure": pd.Timestamp("2017-07-14 08:46"),
        "operated_airline": "LXP",
        "operated_flight_number": "120",
        "operated_destination": "SCFA",
        "operator_name": "Grupo LATAM",
        "delay_minutes": 16.0,
        "delayed": True,
        "file_row": 0,
    }


def test_the_frame_is_typed_and_in_order_of_time(raw: pd.DataFrame) -> None:
    """The frame is ordered by date and has the published columns."""
    assert not raw["Fecha-I"].is_monotonic_increasing
    frame, _ = to_flights_frame(raw)
    assert tuple(frame.columns) == FRAME_COLUMNS
    assert frame["scheduled_departure"].is_monotonic_increasing
    assert frame["scheduled_departure"].dtype == "datetime64[s]"
    assert frame["actual_departure"].dtype == "datetime64[s]"
    assert frame["delayed"].dtype == bool
    assert sorted(frame["file_row"]) == list(range(ROWS))
    assert frame.index.tolist() == list(range(ROWS))


def test_flights_of_one_minute_are_ordered_by_their_names() -> None:
    """Ties are ordered by airline, number, destination and actual departure."""
    raw = _raw({"Fecha-O": "2017-07-14 08:50:00"}, {}, {"Vlo-I": "11"}, {"Emp-I": "AAL"})
    frame, _ = to_flights_frame(raw)
    assert frame["file_row"].tolist() == [3, 2, 1, 0]


@pytest.mark.parametrize(("minutes", "late"), [(15, False), (16, True), (-14, False)])
def test_late_is_strictly_more_than_a_quarter_of_an_hour(minutes: int, late: bool) -> None:
    """A flight 15 minutes after its schedule is on time, one 16 minutes after is late."""
    actual = pd.Timestamp("2017-07-14 08:30") + pd.Timedelta(minutes=minutes)
    frame, _ = to_flights_frame(_raw({"Fecha-O": str(actual)}))
    assert frame["delay_minutes"].tolist() == [minutes]
    assert frame["delayed"].tolist() == [late]


@pytest.mark.parametrize(
    ("written", "read"),
    [("226", "226"), (" 226 ", "226"), ("226.0", "226"), ("989p", "989P"), ("1104A", "1104A")],
)
def test_flight_numbers_are_normalised(written: str, read: str) -> None:
    """Blanks, decimals and small letters do not make another flight number."""
    frame, _ = to_flights_frame(_raw({"Vlo-I": written, "Vlo-O": written}))
    assert frame["flight_number"].tolist() == [read]
    assert frame["operated_flight_number"].tolist() == [read]


def test_mixed_types_are_read_as_text() -> None:
    """A column that holds numbers and text gives text throughout."""
    raw = _raw({}, {}, {})
    raw["Vlo-I"] = pd.Series([226, 227.0, "989P"], dtype=object)
    frame, _ = to_flights_frame(raw)
    assert frame["flight_number"].tolist() == ["226", "227", "989P"]


def test_dates_may_have_been_parsed_before() -> None:
    """Typed columns of dates are read, even if all of them are at midnight."""
    raw = _raw({"Fecha-I": "2017-07-14 00:00:00", "Fecha-O": "2017-07-14 00:00:00"})
    frame, _ = to_flights_frame(
        raw.astype({"Fecha-I": "datetime64[ms]", "Fecha-O": "datetime64[s]"})
    )
    assert frame["scheduled_departure"].tolist() == [pd.Timestamp("2017-07-14")]


def test_columns_may_be_in_any_order(raw: pd.DataFrame) -> None:
    """Shuffled columns give the same frame."""
    shuffled = raw.sample(frac=1, axis="columns", random_state=1)
    assert_frame_equal(to_flights_frame(shuffled)[0], to_flights_frame(raw)[0])


def test_more_columns_are_ignored(raw: pd.DataFrame) -> None:
    """Other columns and blanks around a name change nothing."""
    more = raw.assign(weather="fog").rename(columns={"Vlo-I": " Vlo-I "})
    assert_frame_equal(to_flights_frame(more)[0], to_flights_frame(raw)[0])


@pytest.mark.parametrize("column", list(Raw))
def test_a_missing_column_is_named_with_those_found(raw: pd.DataFrame, column: str) -> None:
    """The message lists the missing columns and those found."""
    with pytest.raises(MissingColumnsError) as caught:
        to_flights_frame(raw.drop(columns=column))
    assert caught.value.missing == (column,)
    assert f"missing: {column}. Found: " in str(caught.value)
    assert all(name in str(caught.value) for name in raw.columns)


@pytest.mark.parametrize("column", ["Vlo-O", "Des-O", "Emp-O", "OPERA"])
def test_unused_columns_of_the_operation_may_be_missing(column: str) -> None:
    """The real file has a missing value there, and no feature reads it."""
    frame, dropped = to_flights_frame(_raw({column: None}))
    assert (len(frame), dropped) == (1, 0)


@pytest.mark.parametrize(
    ("column", "text", "rule"),
    [
        ("Emp-I", "LA", "not an airline's three capital letters or digits"),
        ("Emp-I", None, "missing"),
        ("Vlo-I", "LA120", "not 1 to 5 digits and perhaps a letter"),
        ("Vlo-I", "  ", "missing"),
        ("Des-I", "scfa", "not an airport's four capital letters"),
        ("Ori-I", "SCFA", "not SCEL: only departures from Santiago"),
        ("TIPOVUELO", "D", "neither I (international) nor N (national)"),
        ("Fecha-I", "14/07/2017 08:30", "missing, or not a date as YYYY-MM-DD HH:MM:SS"),
        ("Fecha-I", "2017-02-30 08:30:00", "missing, or not a date as YYYY-MM-DD HH:MM:SS"),
        ("Fecha-O", None, "missing, or not a date as YYYY-MM-DD HH:MM:SS"),
        ("Fecha-O", "2017-07-13 08:30:00", "leaves a day or more before or after its schedule"),
        ("Fecha-O", "2017-07-15 08:30:00", "leaves a day or more before or after its schedule"),
    ],
)
def test_a_bad_value_is_reported(column: str, text: str | None, rule: str) -> None:
    """Each violation has its column, the number of the row in the file and its text."""
    bad: Row = {"Vlo-I": "121", column: text}
    error = _refused(_raw({}, bad))
    assert (error.invalid, error.total) == (1, 2)
    (problem,) = error.problems
    assert (problem.column, problem.rule, problem.rows) == (column, rule, 1)
    assert problem.examples == ((3, (text or "").strip()),)


def test_the_report_is_a_table_with_advice() -> None:
    """The message has the number of rows, the rule, at most three examples and advice."""
    bad: list[Row] = [{"Vlo-I": f"X{i}"} for i in range(5)]
    lines = str(_refused(_raw({}, *bad))).splitlines()
    assert lines[0] == "5 of 6 rows are not valid flights:"
    assert lines[1].split("  ")[1] == "column"
    assert "5     not 1 to 5 digits" in lines[2]
    assert lines[2].endswith("line 3: 'X0', line 4: 'X1', line 5: 'X2'")
    assert "--drop-invalid" in lines[-1]


def test_a_column_without_any_value_is_reported_like_any_other() -> None:
    """All rows are invalid, and the report says why."""
    error = _refused(_raw({"Des-I": None}, {"Des-I": None, "Vlo-I": "7"}))
    assert [(p.column, p.rule, p.rows) for p in error.problems] == [("Des-I", "missing", 2)]


def test_a_row_that_breaks_two_rules_counts_once() -> None:
    """Problems are counted by rule, rows by row."""
    error = _refused(_raw({"Vlo-I": "?", "Des-I": "?"}, {}))
    assert (len(error.problems), error.invalid) == (2, 1)


def test_one_key_with_two_operations_is_two_flights() -> None:
    """Two departures with the same key but different operations are both kept."""
    frame, dropped = to_flights_frame(_raw({}, {"Fecha-O": "2017-07-14 09:10:00"}))
    assert (len(frame), dropped) == (2, 0)


def test_an_equal_row_is_a_repeat() -> None:
    """The second of two equal rows is invalid; dropping keeps the first."""
    raw = _raw({}, {"Vlo-I": "7"}, {})
    (problem,) = _refused(raw).problems
    assert problem.rule == "repeats an earlier row in every column read"
    assert problem.examples == ((4, "120"),)
    frame, dropped = to_flights_frame(raw, drop_invalid=True)
    assert (sorted(frame["file_row"]), dropped) == ([0, 1], 1)


def test_dropping_leaves_out_exactly_the_bad_rows(raw: pd.DataFrame) -> None:
    """The other rows are unchanged, and the count is of rows, not of violations."""
    spoilt = raw.copy()
    spoilt.loc[3, ["Vlo-I", "Des-I"]] = "?"
    spoilt.loc[7, "Fecha-I"] = None
    frame, dropped = to_flights_frame(spoilt, drop_invalid=True)
    whole, _ = to_flights_frame(raw)
    assert dropped == 2
    expected = whole[~whole["file_row"].isin([3, 7])].reset_index(drop=True)
    assert_frame_equal(frame, expected)


@pytest.mark.parametrize("rows", [0, 2])
def test_no_flight_left_is_an_error(rows: int) -> None:
    """A file with only a header, or only invalid rows, is an error."""
    bad = _raw({"Vlo-I": "?"}, {"Vlo-I": "?"}).head(rows)
    with pytest.raises(NoFlightsError, match="header" if rows == 0 else "not one of 2 rows"):
        to_flights_frame(bad, drop_invalid=True)


@settings(max_examples=10, deadline=None)
@given(order=st.randoms(use_true_random=False))
def test_the_order_of_the_file_does_not_matter(raw: pd.DataFrame, order: Random) -> None:
    """Rows in any order give the same hash, and the same frame except `file_row`."""
    rows = list(range(len(raw)))
    order.shuffle(rows)
    shuffled, _ = to_flights_frame(raw.iloc[rows])
    straight, _ = to_flights_frame(raw)
    assert_frame_equal(shuffled.drop(columns="file_row"), straight.drop(columns="file_row"))
    assert data_hash(shuffled) == data_hash(straight)


def test_the_hash_of_a_window_does_not_depend_on_later_flights(raw: pd.DataFrame) -> None:
    """Flights up to a date have the same hash in a file with later flights and without."""
    limit = "2017-06-01 00:00:00"
    whole, _ = to_flights_frame(raw)
    cut, _ = to_flights_frame(raw[raw["Fecha-I"] < limit])
    assert 0 < len(cut) < len(whole)
    assert data_hash(whole[whole["scheduled_departure"] < limit]) == data_hash(cut)
    assert data_hash(whole) != data_hash(cut)


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("Emp-I", "SKU"),
        ("Vlo-I", "7"),
        ("Des-I", "SCDA"),
        ("TIPOVUELO", "I"),
        ("Fecha-I", "2017-07-14 08:31:00"),
        ("Fecha-O", "2017-07-14 08:47:00"),
    ],
)
def test_the_hash_depends_on_all_columns_of_training(column: str, text: str) -> None:
    """A change of the schedule or of the time of departure changes the hash."""
    assert _hash_of({}) != _hash_of({column: text})


@pytest.mark.parametrize("column", ["Vlo-O", "Des-O", "Emp-O", "OPERA"])
def test_the_hash_ignores_other_columns(column: str) -> None:
    """A change of the operating airline does not change the hash."""
    assert _hash_of({}) == _hash_of({column: "X"})


def _hash_of(change: Row) -> str:
    return data_hash(to_flights_frame(_raw(change))[0])
