"""Fixtures of bulk scoring: flights, and files of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from data.schema import ENGLISH, SCHEDULE_COLUMNS, Raw
from score import csv_input, inputs, parquet_input, pieces

ROWS = 5000


@pytest.fixture(scope="session")
def schedule(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the schedule of some flights in random order."""
    chosen: pd.DataFrame = frame[list(SCHEDULE_COLUMNS)].sample(ROWS, random_state=7)
    return chosen.reset_index(drop=True)


@pytest.fixture(scope="session")
def raw(schedule: pd.DataFrame) -> pd.DataFrame:
    """Return the schedule with the columns of dataset_SCL.csv, as text."""
    names = {english: raw.value for raw, english in ENGLISH.items()}
    text = schedule.astype({"scheduled_departure": "str"}).rename(columns=names)
    return text.assign(**{Raw.ORIGIN.value: "SCEL", "MES": "1"})


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Split inputs into pieces of about a thousand rows."""
    for module in (pieces, csv_input, parquet_input):
        monkeypatch.setattr(module, "PIECE_ROWS", 1000)
    monkeypatch.setattr(csv_input, "BLOCK_BYTES", 20_000)
    monkeypatch.setattr(parquet_input, "LARGEST_GROUP", 2000)


@pytest.fixture
def csv_pieces(tmp_path: Path) -> Callable[[bytes], list[pieces.Rows]]:
    """Return a function that reads bytes as a CSV input, piece by piece."""

    def read(content: bytes) -> list[pieces.Rows]:
        path = tmp_path / "input"
        path.write_bytes(content)
        return [piece.source.read() for piece in inputs.find_input(str(path)).pieces()]

    return read
