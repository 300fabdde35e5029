"""Tests that Parquet is split into pieces by row groups of any size."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from score.errors import InputError
from score.inputs import find_input
from score.pieces import LoadedRows


def write(path: Path, frame: pd.DataFrame, row_group: int) -> str:
    """Write a file with row groups of a size, and return its path."""
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path, row_group)
    return str(path)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("row_group", [7, 600, 1000, 1999, 5000])
def test_pieces_hold_all_rows_in_order(raw: pd.DataFrame, tmp_path: Path, row_group: int) -> None:
    """Small groups are joined, larger ones split evenly, and huge ones read in batches."""
    pieces = list(find_input(write(tmp_path / "f", raw, row_group)).pieces())
    rows = [piece.source.read() for piece in pieces]
    assert [piece.rows for piece in pieces] == [each.count for each in rows]
    assert max(each.count for each in rows) <= 1000
    assert len(rows) < 10
    numbers = [number for each in rows for number in each.numbers.tolist()]
    assert numbers == list(range(1, len(raw) + 1))
    codes = [code for each in rows for code in each.table["destination"].to_pylist()]
    assert codes == raw["Des-I"].tolist()
    assert isinstance(pieces[0].source, LoadedRows) == (row_group == 5000)


def test_an_empty_file_has_no_pieces(raw: pd.DataFrame, tmp_path: Path) -> None:
    """Columns without rows are not an error."""
    assert list(find_input(write(tmp_path / "f", raw.head(0), 100)).pieces()) == []


def test_a_truncated_file_raises(raw: pd.DataFrame, tmp_path: Path) -> None:
    """The footer is at the end, so a truncated file has none."""
    path = tmp_path / "f"
    write(path, raw, 1000)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="truncated"):
        find_input(str(path))


def test_a_missing_file_raises() -> None:
    """A wrong path and an unknown URL scheme raise with a message."""
    with pytest.raises(InputError, match="there is no such file"):
        find_input("nowhere.parquet")
    with pytest.raises(InputError, match="cannot be read"):
        find_input("nosuchscheme://bucket/x")
