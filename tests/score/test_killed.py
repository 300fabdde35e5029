"""Tests that a run killed at any time loses no row and scores none twice.

`make kills` runs the same at full size: larger files, more kills, and a Dask cluster.
"""

from __future__ import annotations

import logging
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from load.tools.server_process import tree
from score.__main__ import EXIT_REJECTED
from score.merge import rejects_of
from score.store import MANIFEST, SUFFIX
from tests.support.server import PROJECT

FULL = bool(os.environ.get("KILLS_FULL"))
"""Whether to run at full size: `make kills`."""
ROWS, KILLS = (300_000, 12) if FULL else (40_000, 2)
BAD_EVERY = 100
"""Every such number of rows, one must be rejected."""
LONGEST_PAUSE, MERGE_PAUSE = (0.5, 0.2) if FULL else (0.02, 0.02)
"""Seconds between a run's progress and the kill."""
FROM_THE_START = 0.25
"""Share of the kills whose time is drawn from the whole run, including its start."""
MOST_RUNS = 10 * KILLS
"""Maximum number of runs, in case the kills always come too late."""
HANGS = 600.0
SMALL_PIECES = """
from score import csv_input, parquet_input
csv_input.PIECE_ROWS = parquet_input.PIECE_ROWS = 2000
csv_input.BLOCK_BYTES = 50_000
from score.__main__ import app
app()
"""
"""The command with small pieces, so that a small file has many of them."""

logger = logging.getLogger("score")


@dataclass(frozen=True)
class Case:
    """Process to kill, and when."""

    name: str
    options: tuple[str, ...] = ("-j", "2")
    merging: bool = False
    """Whether to kill only during the merge."""
    worker: bool = False
    """Whether to kill one worker of the cluster instead of the whole process group."""


DASK = ("--engine", "dask", "-j", "2")
CASES = [Case("command")]
if FULL:
    CASES += [
        Case("merging", merging=True),
        Case("cluster", DASK),
        Case("worker", DASK, worker=True),
    ]


class Target:
    """Input that is scored repeatedly, and the output of a run without kills."""

    def __init__(self, source: Path, model: str, options: tuple[str, ...]) -> None:
        self._command = [str(source), "--model", model]
        self._options = options
        self.output = source.with_name("scores.parquet")
        self.folder = Path(f"{self.output}{SUFFIX}")
        self.left_alone = source.with_name("left-alone.parquet")
        started = time.monotonic()
        assert self.start(self.left_alone).wait(HANGS) == EXIT_REJECTED
        self.seconds = time.monotonic() - started

    def start(self, output: Path) -> subprocess.Popen[bytes]:
        """Start the command in its own process group."""
        program = ["-m", "score"] if FULL else ["-c", SMALL_PIECES]
        log = output.with_suffix(".log").open("wb")
        with log:
            return subprocess.Popen(
                [sys.executable, *program, *self._command, "-o", str(output), *self._options],
                cwd=PROJECT,
                stderr=log,
                start_new_session=True,
            )

    def said(self) -> str:
        """Return the log of the last run."""
        return self.output.with_suffix(".log").read_text()

    def progress(self) -> dict[str, int]:
        """Return the write times of the finished files and of the output being merged."""
        found = {}
        for path in self.folder.glob("*"):
            if path.name.startswith(("piece-", "scores.")) and ".arrow.unf" not in path.name:
                with suppress(FileNotFoundError):  # renamed just now
                    found[path.name] = path.stat().st_mtime_ns
        return found

    def pieces(self) -> dict[str, int]:
        """Return the write time of each finished piece; writing it again changes the time."""
        return {name: at for name, at in self.progress().items() if name.startswith("piece-")}


@pytest.fixture(scope="module")
def flights(frame: pd.DataFrame) -> pd.DataFrame:
    """Return flights in random order; every hundredth has no destination."""
    chosen = frame.sample(ROWS, random_state=11, replace=True).reset_index(drop=True)
    chosen["scheduled_departure"] = chosen["scheduled_departure"].astype("str")
    chosen.loc[::BAD_EVERY, "destination"] = "nowhere"
    return chosen


@pytest.mark.timeout(3600 if FULL else 600)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_killed_at_random_times(
    flights: pd.DataFrame, registered: str, tmp_path: Path, ending: str, case: Case
) -> None:
    """A run that is killed several times and resumed has every row once."""
    source = tmp_path / f"in.{ending}"
    if ending == "csv":
        flights.to_csv(source, index=False)
    else:
        pq.write_table(pa.Table.from_pandas(flights), source, ROWS // 40)
    target = Target(source, registered, case.options)
    kills, files = kill_repeatedly(target, case, random.Random(5))  # noqa: S311 - not for cryptography
    logger.info("%s, %s: %s, %d outputs", case.name, ending, dict(sorted(kills.items())), files)
    assert kills.total() == KILLS


def kill_repeatedly(target: Target, case: Case, moments: random.Random) -> tuple[Counter[str], int]:
    """Kill and resume runs until there are enough kills; return kills by phase, and outputs."""
    kills: Counter[str] = Counter()
    runs = files = 0
    while (kills.total() < KILLS or target.folder.exists()) and runs < MOST_RUNS:
        runs += 1
        known, begun = target.pieces(), target.progress()
        run = target.start(target.output)
        at = kill(run, target, case, moments) if kills.total() < KILLS else ""
        kills.update([at] if at else [])
        if at and not case.worker:
            assert target.output.exists() or known.items() <= target.pieces().items(), (
                f"a piece was lost or written twice, killed while {at}: {begun}"
            )
            if not target.output.exists() or (target.folder / MANIFEST).exists():
                continue
        else:
            assert run.wait(HANGS) == EXIT_REJECTED, target.said()
            assert not known or f"resuming after {len(known)} pieces" in target.said()
            assert not target.folder.exists()
        check_whole(target.output, target.left_alone, ROWS)
        files += 1
        forget(target)
    return kills, files


def kill(run: subprocess.Popen[bytes], target: Target, case: Case, moments: random.Random) -> str:
    """Kill a run at a random time; return its phase, or "" if it had already ended."""
    before = target.progress()
    reached: Callable[[dict[str, int], dict[str, int]], bool]
    if case.merging:
        reached, pause = merges, moments.uniform(0, MERGE_PAUSE)
    elif moments.random() < FROM_THE_START:
        reached, pause = (lambda _before, _now: True), moments.uniform(0, target.seconds)
    else:
        reached, pause = dict.__ne__, moments.uniform(0, LONGEST_PAUSE)
    wait_until(run, lambda: reached(before, target.progress()))
    with suppress(subprocess.TimeoutExpired):
        run.wait(pause)
        return ""
    if target.output.exists():
        at = "ending"
    elif merges(before, now := target.progress()):
        at = "putting together"
    else:
        at = "scoring" if now != before else "starting"
    if case.worker:
        workers = [pid for pid in tree(run.pid) if b"spawn_main" in command_line(pid)]
        with suppress(IndexError, ProcessLookupError):
            os.kill(workers[-1], signal.SIGKILL)
            return at
        return ""
    os.killpg(run.pid, signal.SIGKILL)
    return at if run.wait(HANGS) == -signal.SIGKILL else ""


def wait_until(run: subprocess.Popen[bytes], condition: Callable[[], bool]) -> None:
    """Wait until a condition holds or the run has ended."""
    deadline = time.monotonic() + HANGS
    while run.poll() is None and not condition():
        assert time.monotonic() < deadline, "the run hangs"
        time.sleep(0.001)


def merges(before: dict[str, int], now: dict[str, int]) -> bool:
    """Whether a run has started to merge pieces since `before`."""
    return any(not name.startswith("piece-") for name in dict(now.items() - before.items()))


def command_line(pid: int) -> bytes:
    """Return the command line of a process, or empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def forget(target: Target) -> None:
    """Remove an output that was checked, and the folder of a run killed at its end."""
    target.output.unlink()
    Path(rejects_of(str(target.output))).unlink()
    if target.folder.exists():
        for path in target.folder.iterdir():
            path.unlink()
        target.folder.rmdir()


def check_whole(output: Path, left_alone: Path, rows: int) -> None:
    """Assert that an output has each row once, and equals that of a run without kills."""
    found, expected = pq.read_table(output), pq.read_table(left_alone)
    rejected, others = (Path(rejects_of(str(path))) for path in (output, left_alone))
    numbers = [*found["row"].to_pylist(), *pd.read_csv(rejected)["row"].tolist()]
    assert sorted(numbers) == list(range(1, rows + 1)), "rows are lost or stand twice"
    assert found.equals(expected), "not what a run says that is left alone"
    assert rejected.read_bytes() == others.read_bytes(), "not what a run rejects that is left alone"


@pytest.mark.parametrize(
    ("rows", "rejected", "probability", "words"),
    [
        (range(1, 9), [10], 0.5, "rows are lost"),
        ([*range(1, 9), 8], [10], 0.5, "rows are lost"),
        (range(1, 10), [9, 10], 0.5, "rows are lost"),
        (range(1, 10), [10], 0.4, "not what a run says"),
    ],
)
def test_the_check_finds_missing_duplicate_and_changed_rows(
    tmp_path: Path, rows: range | list[int], rejected: list[int], probability: float, words: str
) -> None:
    """A missing row, a duplicate row and a changed score fail the check."""

    def write(path: Path, rows: range | list[int], rejected: list[int], score: float) -> Path:
        pq.write_table(pa.table({"row": list(rows), "probability": [score] * len(rows)}), path)
        lines = ["row,reason,record", *(f"{row},bad,{{}}" for row in rejected)]
        Path(rejects_of(str(path))).write_text("\n".join(lines) + "\n")
        return path

    expected = write(tmp_path / "expected.parquet", range(1, 10), [10], 0.5)
    check_whole(expected, expected, 10)
    with pytest.raises(AssertionError, match=words):
        check_whole(write(tmp_path / "o.parquet", rows, rejected, probability), expected, 10)


def test_partial_files_of_a_killed_run_are_replaced(
    flights: pd.DataFrame, registered: str, tmp_path: Path
) -> None:
    """A partial manifest, piece or output is written again."""
    source = tmp_path / "in.csv"
    flights.to_csv(source, index=False)
    target = Target(source, registered, ("-j", "2"))
    target.folder.mkdir()
    (target.folder / MANIFEST).write_text('{"format"')
    for name in ("piece-00000000.arrow", "piece-00000001.arrow.unfinished"):
        (target.folder / name).write_bytes(b"half")
    (target.folder / "scores.parquet.unfinished").write_bytes(b"half")
    assert target.start(target.output).wait(HANGS) == EXIT_REJECTED, target.said()
    check_whole(target.output, target.left_alone, ROWS)
