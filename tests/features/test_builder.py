"""Check the builder: saved, sliced, shuffled, and independent of outcomes."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.dictionary_column import DictionaryColumn
from data.flights import Flights
from data.schema import OUTCOME_COLUMNS, SCHEDULE_COLUMNS
from features import FeatureBuilder
from features.calendar import FIRST_YEAR, LAST_YEAR
from features.codes import UNKNOWN
from features.transformer import FloatMatrix
from tests.support.server import PROJECT

STRANGE = Flights.from_columns(
    {
        "airline": ["ZZZ", "LAN", "LAN", "ZZZ"],
        "flight_number": ["99999", "1Z", "120", "0"],
        "destination": ["SCFA", "ZZZZ", "SCZZ", "ZZZZ"],
        "flight_type": [None, "N", None, "I"],
        "scheduled_departure": [
            "2017-09-18T00:00",
            "2049-12-31T23:59",
            "2000-02-29T12:34",
            "2024-12-25T08:00",
        ],
    }
)
"""Flights that are not in the schedule of 2017."""


def _same(first: FloatMatrix, second: FloatMatrix) -> bool:
    """Return whether two matrices agree bit for bit, missing values included."""
    return first.shape == second.shape and first.tobytes() == second.tobytes()


@pytest.fixture(scope="module")
def mixed(few_flights: Flights) -> Flights:
    """Give 400 flights of the schedule, then some that are not in it."""
    return Flights.concatenate([few_flights.slice(0, 400), STRANGE])


def test_every_column_has_one_name(builder: FeatureBuilder, mixed: Flights) -> None:
    """The matrix has a row per flight and a column per name, and no name occurs twice."""
    assert builder.transform(mixed).shape == (len(mixed), len(builder.feature_names))
    assert len(set(builder.feature_names)) == len(builder.feature_names)
    assert set(builder.categorical) < set(builder.feature_names)


def test_columns_are_in_the_order_of_their_names(builder: FeatureBuilder) -> None:
    """Known facts of a flight are in the columns of their names."""
    matrix = builder.transform(STRANGE)
    first = dict(zip(builder.feature_names, matrix[0].tolist(), strict=True))
    expected = {
        "airline": UNKNOWN,
        "destination": builder.codes.destination_["SCFA"],
        "number_series": 99999,
        "flight_type": 0,
        "minute_of_day": 0,
        "weekday": 0,
        "is_holiday": 1,
        "run_of_days_off": 4,
    }
    assert {name: first[name] for name in expected} == expected
    assert first["distance_km"] == pytest.approx(1107, abs=5)
    assert first["departures_day"] > 0


def test_no_flight_gives_no_row(builder: FeatureBuilder) -> None:
    """An empty batch has all columns and no row."""
    assert builder.transform(STRANGE.slice(0, 0)).shape == (0, len(builder.feature_names))


def test_every_cell_is_written(builder: FeatureBuilder, few_flights: Flights) -> None:
    """Flights of the training schedule have a finite number in every column."""
    known = [
        code in builder.transformers[-1].to_json()["distance_km"]
        for code in few_flights.destination
    ]
    assert np.isfinite(builder.transform(few_flights)[known]).all()


def test_a_restored_builder_is_the_same(builder: FeatureBuilder, mixed: Flights) -> None:
    """Saved as JSON and restored, a builder gives the same bits, names and JSON."""
    restored = FeatureBuilder.from_json(builder.to_json())
    assert _same(restored.transform(mixed), builder.transform(mixed))
    assert restored.unknown(mixed) == builder.unknown(mixed)
    assert restored.feature_names == builder.feature_names
    assert restored.categorical == builder.categorical
    assert restored.to_json() == builder.to_json()


def test_the_saved_form_is_strict_json(builder: FeatureBuilder) -> None:
    """The saved text has no NaN or infinity, which strict JSON does not allow."""

    def refuse(constant: str) -> float:
        raise AssertionError(constant)

    assert json.loads(builder.to_json(), parse_constant=refuse)["format"] == 2


@pytest.mark.parametrize("change", [{"format": 1}, {"format": None}])
def test_another_format_is_refused(builder: FeatureBuilder, change: dict[str, object]) -> None:
    """Another version of the saved form is refused, and the message says to train again."""
    saved = json.loads(builder.to_json()) | change
    with pytest.raises(ValueError, match=f"format {change['format']}.* retrain"):
        FeatureBuilder.from_json(json.dumps(saved))


@settings(derandomize=True, deadline=None, max_examples=50)
@given(cuts=st.lists(st.integers(0, 404), max_size=8).map(sorted))
def test_a_batch_is_its_pieces(cuts: list[int], builder: FeatureBuilder, mixed: Flights) -> None:
    """Each flight has the same row, bit for bit, however flights are cut into batches."""
    whole = builder.transform(mixed)
    bounds = [0, *cuts, len(mixed)]
    parts = [mixed.slice(start, stop) for start, stop in pairwise(bounds)]
    assert _same(np.concatenate([builder.transform(part) for part in parts]), whole)
    assert _same(builder.transform(Flights.concatenate(parts)), whole)


def test_a_batch_is_its_flights_one_by_one(builder: FeatureBuilder, mixed: Flights) -> None:
    """Transformed alone, every flight has the same row as among others."""
    rows = [builder.transform(mixed.slice(n, n + 1)) for n in range(len(mixed))]
    assert _same(np.concatenate(rows), builder.transform(mixed))


def test_columns_by_distinct_values_give_the_same(builder: FeatureBuilder, mixed: Flights) -> None:
    """Rows of dictionary columns, looked up once per distinct value, are the same bit for bit."""
    by_value = replace(
        mixed,
        airline=DictionaryColumn.of(mixed.airline),
        flight_number=DictionaryColumn.of(mixed.flight_number),
        destination=DictionaryColumn.of(mixed.destination),
        flight_type=DictionaryColumn.of(mixed.flight_type),
    )
    rows = np.random.default_rng(0).permutation(len(mixed))
    expected = builder.transform(mixed)
    assert _same(builder.transform(by_value), expected)
    assert _same(builder.transform(by_value.pick(rows)), expected[rows])
    assert builder.unknown(by_value) == builder.unknown(mixed)


def test_transform_does_not_change_the_builder(builder: FeatureBuilder, mixed: Flights) -> None:
    """The saved text is the same before and after `transform`."""
    before = builder.to_json()
    builder.transform(mixed)
    assert builder.to_json() == before


def test_a_dictionary_is_read_like_a_frame(builder: FeatureBuilder, few: pd.DataFrame) -> None:
    """Plain lists give the same matrix as the typed frame."""
    columns = {name: few[name].tolist() for name in SCHEDULE_COLUMNS}
    columns["scheduled_departure"] = [str(at) for at in columns["scheduled_departure"]]
    flights, as_lists = Flights.from_columns(few), Flights.from_columns(columns)
    assert _same(builder.transform(as_lists), builder.transform(flights))


def test_unknown_values_are_transformed_and_listed(builder: FeatureBuilder) -> None:
    """Unknown airlines, destinations and numbers have a row; the first two are listed."""
    matrix = builder.transform(STRANGE)
    number = builder.feature_names.index("flight_number")
    assert (matrix[[0, 1, 3], number] == UNKNOWN).all()
    assert builder.unknown(STRANGE) == [
        ["airline"],
        ["destination"],
        ["destination"],
        ["airline", "destination"],
    ]


def test_known_flights_have_nothing_unknown(builder: FeatureBuilder, few_flights: Flights) -> None:
    """No flight of the training schedule has an unknown field."""
    assert not any(builder.unknown(few_flights))


def test_a_type_left_out_is_that_of_the_destination(
    builder: FeatureBuilder, few_flights: Flights
) -> None:
    """A flight without a type has the row of its destination's usual type."""
    usual = [builder.codes.type_of(code) for code in few_flights.destination]
    without, given_usual = (
        Flights(
            few_flights.airline,
            few_flights.flight_number,
            few_flights.destination,
            types,
            few_flights.departure,
        )
        for types in ([None] * len(few_flights), usual)
    )
    assert _same(builder.transform(without), builder.transform(given_usual))
    assert set(usual) == {"I", "N"}


@pytest.mark.parametrize(
    "departure", [f"{FIRST_YEAR - 1}-12-31T23:59", f"{LAST_YEAR + 1}-01-01T00:00"]
)
def test_years_beyond_the_calendar_are_refused(builder: FeatureBuilder, departure: str) -> None:
    """A single flight outside the calendar is refused, whatever else is in the batch."""
    late = Flights(["LAN"], ["1"], ["SCFA"], ["N"], _minutes(departure))
    with pytest.raises(ValueError, match="scheduled_departure"):
        builder.transform(Flights.concatenate([STRANGE, late]))


def test_served_levels_do_without_two_sided_features() -> None:
    """The bento lacks features/two_sided: schedule and fresh builders must not import it."""
    code = """
import sys
sys.modules["features.two_sided"] = None  # an import of it raises ImportError
from features import FeatureBuilder, Level
for level in (Level.SCHEDULE, Level.FRESH):
    FeatureBuilder(level)
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=PROJECT, timeout=120)


def test_outcomes_do_not_matter(few: pd.DataFrame, builder: FeatureBuilder) -> None:
    """Random values in every operated column change no bit of fit and transform."""
    random = np.random.default_rng(0)
    noise = few.copy()
    for name in OUTCOME_COLUMNS:
        noise[name] = random.permutation(few[name].to_numpy())
    noise["operator_name"] = "nobody"
    noise["delay_minutes"] = random.normal(0, 1e6, len(few))
    again = FeatureBuilder().fit(noise)
    assert again.to_json() == builder.to_json()
    flights, same_flights = Flights.from_columns(noise), Flights.from_columns(few)
    assert _same(again.transform(flights), builder.transform(same_flights))


def test_outcomes_need_not_be_there(few: pd.DataFrame, builder: FeatureBuilder) -> None:
    """A builder learns the same from a frame that never had an operated column."""
    schedule = few[list(SCHEDULE_COLUMNS)]
    assert FeatureBuilder().fit(schedule).to_json() == builder.to_json()


def test_the_order_of_rows_does_not_matter(few: pd.DataFrame, builder: FeatureBuilder) -> None:
    """Shuffled flights give exactly the same saved text."""
    for seed in range(3):
        shuffled = few.sample(frac=1, random_state=seed)
        assert FeatureBuilder().fit(shuffled).to_json() == builder.to_json()
    assert FeatureBuilder().fit(few.iloc[::-1]).to_json() == builder.to_json()


def test_other_flights_give_another_builder(few: pd.DataFrame, builder: FeatureBuilder) -> None:
    """Half of the schedule gives another saved text: the order test can fail."""
    assert FeatureBuilder().fit(few.iloc[::2]).to_json() != builder.to_json()


def test_thousands_of_flights_are_the_same_for_a_restored_builder(frame: pd.DataFrame) -> None:
    """Five thousand flights have the same bits before and after saving a builder of all."""
    fitted = FeatureBuilder().fit(frame)
    flights = Flights.from_columns(frame.iloc[:: len(frame) // 5000])
    restored = FeatureBuilder.from_json(fitted.to_json())
    assert _same(restored.transform(flights), fitted.transform(flights))
    assert np.isfinite(fitted.transform(flights)).mean() > 0.99


def _minutes(departure: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array([departure], dtype="datetime64[m]").astype(np.int64)
