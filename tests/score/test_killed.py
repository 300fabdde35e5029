"""A run that is killed at any moment loses nothing and repeats nothing."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.flights import Flights
from model.bundle import Bundle
from score.__main__ import EXIT_REJECTED
from score.store import MANIFEST, SUFFIX

PROJECT = Path(__file__).parents[2]
SMALL_PIECES = """
from score import csv_input, parquet_input
csv_input.PIECE_ROWS = parquet_input.PIECE_ROWS = 2000
csv_input.BLOCK_BYTES = 50_000
from score.__main__ import app
app()
"""
"""The command, with small pieces, so that there are many of them in a small file."""
ROWS, BAD = 40_000, 400
MOST_SECONDS = 120


def start(*command: str) -> subprocess.Popen[str]:
    """Start the command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", SMALL_PIECES, *command, "-j", "2"],
        cwd=PROJECT,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(folder: Path) -> dict[str, int]:
    """Finished pieces, and when each was written; the inode tells one writing from another."""
    return {path.name: path.stat().st_ino for path in folder.glob("piece-*.arrow")}


def kill_after(process: subprocess.Popen[str], folder: Path, pieces: int, pause: float) -> bool:
    """Kill a run a moment after it finished so many pieces; false where it ended before."""
    deadline = time.monotonic() + MOST_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if len(list(folder.glob("piece-*.arrow"))) >= pieces:
            time.sleep(pause)
            break
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return process.returncode == -signal.SIGKILL


@pytest.fixture(scope="module")
def flights(frame: pd.DataFrame) -> pd.DataFrame:
    """Flights in random order, every hundredth of them without a destination."""
    chosen = frame.sample(ROWS, random_state=11, replace=True).reset_index(drop=True)
    chosen["scheduled_departure"] = chosen["scheduled_departure"].astype("str")
    chosen.loc[:: ROWS // BAD, "destination"] = "nowhere"
    return chosen


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_killed_at_random_moments(
    flights: pd.DataFrame, bundle: Bundle, registered: str, tmp_path: Path, ending: str
) -> None:
    """Killed several times and begun again, a run ends with every row, scored once."""
    source, output = tmp_path / f"in.{ending}", tmp_path / "out.parquet"
    folder = Path(f"{output}{SUFFIX}")
    if ending == "csv":
        flights.to_csv(source, index=False)
    else:
        pq.write_table(pa.Table.from_pandas(flights), source, 1000)
    command = (str(source), "-o", str(output), "--model", registered)
    moments = random.Random(5)  # noqa: S311 - it only picks moments
    known: dict[str, int] = {}
    for _ in range(2):
        more = len(known) + moments.randrange(1, 6)
        killed = kill_after(start(*command), folder, more, moments.random() * 0.02)
        assert killed, "the run ended before it could be killed"
        assert not output.exists()
        now = finished(folder)
        assert known.items() <= now.items(), "a piece was lost, or written twice"
        known = now
    last = start(*command)
    _, said = last.communicate(timeout=MOST_SECONDS)
    assert last.returncode == EXIT_REJECTED, said
    assert f"going on after {len(known)} pieces" in said
    _check_whole(flights, bundle, output)
    assert not folder.exists()


def test_killed_before_anything_and_while_putting_together(
    flights: pd.DataFrame, bundle: Bundle, registered: str, tmp_path: Path
) -> None:
    """A half-written manifest, piece or output of a dead run does no harm."""
    source, output = tmp_path / "in.csv", tmp_path / "out.parquet"
    flights.to_csv(source, index=False)
    folder = Path(f"{output}{SUFFIX}")
    folder.mkdir()
    (folder / MANIFEST).write_text('{"format"')
    (folder / "piece-00000000.arrow").write_bytes(b"half")
    (folder / "piece-00000001.arrow.unfinished").write_bytes(b"half")
    (folder / "out.parquet.unfinished").write_bytes(b"half")
    run = start(str(source), "-o", str(output), "--model", registered)
    _, said = run.communicate(timeout=MOST_SECONDS)
    assert run.returncode == EXIT_REJECTED, said
    _check_whole(flights, bundle, output)


def _check_whole(flights: pd.DataFrame, bundle: Bundle, output: Path) -> None:
    table = pq.read_table(output)
    rejected = pd.read_csv(output.with_name("out.rejects.csv"))["row"].tolist()
    assert sorted(table["row"].to_pylist() + rejected) == list(range(1, ROWS + 1))
    assert len(rejected) == BAD
    good = flights[flights["destination"] != "nowhere"]
    expected = bundle.predictor.score(Flights.from_columns(good))
    assert np.abs(table["probability"].to_numpy() - expected).max() < 1e-12
