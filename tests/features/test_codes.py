"""Check the category codes: by frequency, independent of order, with a code for unknown values."""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random

import numpy as np
import pytest

from data.airports.config import SANTIAGO
from data.flights import Flights
from features.codes import UNKNOWN, Codes, flight_keys
from features.transformer import FloatMatrix

Row = tuple[str, str, str, str | None]

AIRLINE, DESTINATION, NUMBER, TYPE, SERIES = range(5)


def _flights(rows: Sequence[Row]) -> Flights:
    """Make flights of (airline, number, destination, type), all at one time."""
    airline, number, destination, flight_type = zip(*rows, strict=True)
    return Flights(airline, number, destination, flight_type, np.zeros(len(rows), dtype=np.int64))


def _written(codes: Codes, rows: Sequence[Row]) -> FloatMatrix:
    out = np.full((len(rows), len(Codes.names)), np.nan)
    codes.write(_flights(rows), out)
    return out


TRAINED: list[Row] = [
    *[("LAN", "120", "SCFA", "N")] * 25,
    *[("SKU", "120", "SCTE", "N")] * 20,
    *[("SKU", "9", "SPJC", "I")] * 19,
    *[("AAL", "940", "KMIA", "I")] * 3,
    *[("AVA", "241", "SKBO", "I")] * 3,
]


@pytest.fixture(scope="module")
def codes() -> Codes:
    """Give codes learned from `TRAINED`."""
    return Codes().fit(_flights(TRAINED))


def test_codes_follow_frequency(codes: Codes) -> None:
    """The most frequent value has code 0, and equally frequent ones are in order of name."""
    assert codes.airline_ == {"SKU": 0.0, "LAN": 1.0, "AAL": 2.0, "AVA": 3.0}
    assert list(codes.destination_) == ["SCFA", "SCTE", "SPJC", "KMIA", "SKBO"]


def test_the_columns_of_a_known_flight(codes: Codes) -> None:
    """Airline, destination, number, type and series are in the published order."""
    assert Codes.names == (
        "airline",
        "destination",
        "flight_number",
        "flight_type",
        "number_series",
    )
    assert _written(codes, [("LAN", "120", "SCFA", "N")]).tolist() == [[1, 0, 0, 0, 120]]
    assert _written(codes, [("AAL", "940", "KMIA", "I")]).tolist() == [[2, 3, UNKNOWN, 1, 940]]


def test_rare_flight_numbers_share_the_code_of_unknown_ones(codes: Codes) -> None:
    """A number has a code of its own from the twentieth flight on."""
    rows: list[Row] = [("SKU", "120", "SCTE", "N"), ("SKU", "9", "SPJC", "I")]
    assert _written(codes, rows)[:, NUMBER].tolist() == [1, UNKNOWN]


def test_the_same_number_of_two_airlines_is_two_flights(codes: Codes) -> None:
    """Numbers are coded together with their airline."""
    rows: list[Row] = [("LAN", "120", "SCFA", "N"), ("SKU", "120", "SCFA", "N")]
    assert flight_keys(_flights(rows)) == ["LAN120", "SKU120"]
    assert len(set(_written(codes, rows)[:, NUMBER])) == 2


def test_values_outside_training_are_unknown(codes: Codes) -> None:
    """An unknown airline, destination and number have the code of missing values."""
    written = _written(codes, [("ZZZ", "99999", "ZZZZ", None)])[0]
    assert written[[AIRLINE, DESTINATION, NUMBER]].tolist() == [UNKNOWN] * 3
    assert np.isfinite(written).all()


@pytest.mark.parametrize(
    ("number", "series"), [("7", 7), ("0120", 120), ("226A", 226), ("1Z", 1), ("99999", 99999)]
)
def test_the_series_is_the_number_itself(codes: Codes, number: str, series: int) -> None:
    """Zeros before the number and a letter after it do not count."""
    assert _written(codes, [("LAN", number, "SCFA", "N")])[0, SERIES] == series


def test_a_type_that_is_given_is_taken(codes: Codes) -> None:
    """The type in the request overrides the destination's usual type."""
    rows: list[Row] = [("LAN", "120", "SCFA", "I"), ("LAN", "120", "KMIA", "N")]
    assert _written(codes, rows)[:, TYPE].tolist() == [1, 0]


def test_a_type_left_out_is_the_usual_one() -> None:
    """The type of most flights to a destination is used, even against its code's prefix."""
    trained: list[Row] = [
        *[("LAN", "1", "SCFA", "I")] * 3,
        *[("LAN", "1", "SCFA", "N")] * 2,
    ]
    codes = Codes().fit(_flights(trained))
    assert codes.type_of("SCFA") == "I"
    assert _written(codes, [("LAN", "1", "SCFA", None)])[0, TYPE] == 1


@pytest.mark.parametrize(("destination", "expected"), [("SCZZ", "N"), ("SAEZ", "I"), ("KJFK", "I")])
def test_a_type_left_out_of_an_unknown_destination_is_by_region(
    codes: Codes, destination: str, expected: str
) -> None:
    """Codes that begin with SC are Chile's; all others are abroad."""
    assert SANTIAGO.type_of(destination) == codes.type_of(destination) == expected
    row: Row = ("LAN", "1", destination, None)
    assert _written(codes, [row])[0, TYPE] == (expected == "I")


def test_a_training_schedule_without_types_falls_back_on_the_region() -> None:
    """Where no training flight has a type, the prefix of the destination decides."""
    trained: list[Row] = [("LAN", "1", "SCFA", None), ("LAN", "2", "SPJC", None)]
    codes = Codes().fit(_flights(trained))
    assert (codes.type_of("SCFA"), codes.type_of("SPJC")) == ("N", "I")


def test_codes_do_not_depend_on_the_order_of_flights(codes: Codes) -> None:
    """Shuffled flights give exactly the same codes."""
    expected = json.dumps(codes.to_json())
    for seed in range(5):
        shuffled = Random(seed).sample(TRAINED, len(TRAINED))  # noqa: S311 - no secret
        assert json.dumps(Codes().fit(_flights(shuffled)).to_json()) == expected


def test_the_usual_type_does_not_depend_on_the_order_of_flights() -> None:
    """A destination with as many national as international flights has one type, always."""
    trained: list[Row] = [("LAN", "1", "SCFA", "N"), ("LAN", "1", "SCFA", "I")]
    turned = trained[::-1]
    assert Codes().fit(_flights(trained)).to_json() == Codes().fit(_flights(turned)).to_json()


def test_codes_survive_being_saved(codes: Codes) -> None:
    """Restored from JSON, the codes of known, rare and unknown flights are the same."""
    restored = Codes.from_json(json.loads(json.dumps(codes.to_json())))
    rows: list[Row] = [*TRAINED, ("ZZZ", "1", "ZZZZ", None), ("LAN", "8", "KMIA", None)]
    assert (_written(restored, rows) == _written(codes, rows)).all()
    assert restored.to_json() == codes.to_json()


def test_a_second_fit_replaces_the_first() -> None:
    """A second fit gives the same codes as if it had been the only one."""
    second: list[Row] = [("AAL", "940", "KMIA", "I")] * 30
    again = Codes().fit(_flights(TRAINED)).fit(_flights(second))
    assert list(again.airline_) == ["AAL"]
    assert list(again.destination_) == ["KMIA"]
    assert list(again.flight_number_) == ["AAL940"]
