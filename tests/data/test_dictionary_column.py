"""Check that dictionary columns read as lists and give the same look-ups."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from data import dictionary_column
from data.dictionary_column import DictionaryColumn, look_up, pairs

AIRLINES = ["LAN", "SKU", "LAN", "AAL", "SKU", "LAN"]
NUMBERS = ["1", "2", "3", "1", "2", "1"]
ROWS = np.array([5, 0, 3])


def test_reads_as_a_list() -> None:
    """Length, rows, slices, picks and comparison equal those of the plain list."""
    column = DictionaryColumn.of(AIRLINES)
    assert column == AIRLINES
    assert column != AIRLINES[1:]
    assert (len(column), column[1], column[-1]) == (6, "SKU", "LAN")
    assert column[2:4] == AIRLINES[2:4]
    assert column.pick(ROWS) == ["LAN", "LAN", "AAL"]
    assert DictionaryColumn.of(column) is column


def test_values_of_no_row_are_left_out() -> None:
    """Values of no row are not looked up: the look-up may fail for them."""
    column = DictionaryColumn.compact(np.array([2, 0, 2]), ["LAN", None, "SKU"])
    assert list(column.values) == ["LAN", "SKU"]
    assert column == ["SKU", "LAN", "SKU"]
    assert list(DictionaryColumn.of(AIRLINES).pick(ROWS).values) == ["LAN", "AAL"]


@pytest.mark.parametrize("widest", [0, 8])
def test_pairs_are_those_of_the_rows(monkeypatch: pytest.MonkeyPatch, widest: int) -> None:
    """Both algorithms give the pairs of the rows, each distinct pair once."""
    monkeypatch.setattr(dictionary_column, "WIDEST", widest)
    both = pairs(DictionaryColumn.of(AIRLINES), DictionaryColumn.of(NUMBERS))
    expected = list(zip(AIRLINES, NUMBERS, strict=True))
    assert both == expected == pairs(AIRLINES, NUMBERS)
    assert isinstance(both, DictionaryColumn)
    assert sorted(both.values) == sorted(set(expected))


def test_each_value_is_looked_up_once() -> None:
    """The look-up runs for the distinct values only and gives a result for every row."""
    asked: list[str] = []

    def lengths(values: Sequence[str]) -> list[int]:
        asked.extend(values)
        return [len(each) for each in asked]

    found = look_up(DictionaryColumn.of(["a", "bcd", "a"]), lengths)
    assert list(found) == [1, 3, 1]
    assert asked == ["a", "bcd"]
    assert list(look_up(DictionaryColumn.of([]), lengths)) == []
