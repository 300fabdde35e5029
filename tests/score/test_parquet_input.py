"""Parquet is cut into pieces by its row groups, whatever their size."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from score.errors import InputError
from score.inputs import find_input
from score.pieces import Held


def write(path: Path, frame: pd.DataFrame, row_group: int) -> str:
    """Write a file with row groups of this size."""
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path, row_group)
    return str(path)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("row_group", [7, 600, 1000, 1999, 5000])
def test_pieces_hold_all_rows_in_order(raw: pd.DataFrame, tmp_path: Path, row_group: int) -> None:
    """Small groups are joined, middling ones cut evenly, and huge ones read in slices."""
    pieces = list(find_input(write(tmp_path / "f", raw, row_group)).pieces())
    rows = [piece.source.read() for piece in pieces]
    assert [piece.rows for piece in pieces] == [each.count for each in rows]
    assert max(each.count for each in rows) <= 1000
    assert len(rows) < 10
    numbers = [number for each in rows for number in each.numbers.tolist()]
    assert numbers == list(range(1, len(raw) + 1))
    codes = [code for each in rows for code in each.table["destination"].to_pylist()]
    assert codes == raw["Des-I"].tolist()
    assert isinstance(pieces[0].source, Held) == (row_group == 5000)


def test_an_empty_file_has_no_pieces(raw: pd.DataFrame, tmp_path: Path) -> None:
    """Columns without rows are not an error."""
    assert list(find_input(write(tmp_path / "f", raw.head(0), 100)).pieces()) == []


def test_a_file_that_ends_in_the_middle_is_refused(raw: pd.DataFrame, tmp_path: Path) -> None:
    """The footer is at the end: a cut file has none."""
    path = tmp_path / "f"
    write(path, raw, 1000)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="ends in the middle"):
        find_input(str(path))


def test_what_is_not_there_is_named() -> None:
    """A wrong path and an unknown kind of address say so."""
    with pytest.raises(InputError, match="there is no such file"):
        find_input("nowhere.parquet")
    with pytest.raises(InputError, match="cannot be read"):
        find_input("nosuchscheme://bucket/x")
