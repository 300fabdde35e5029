"""A run that is killed at any moment loses nothing and repeats nothing.

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
"""Each so many rows, one that must be rejected."""
LONGEST_PAUSE, MERGE_PAUSE = (0.5, 0.2) if FULL else (0.02, 0.02)
"""Seconds between what a run shows of its progress and the kill."""
FROM_THE_START = 0.25
"""Share of the moments that are drawn from the whole run, its start among them."""
MOST_RUNS = 10 * KILLS
"""A bound, should the moments always come too late."""
HANGS = 600.0
SMALL_PIECES = """
from score import csv_input, parquet_input
csv_input.PIECE_ROWS = parquet_input.PIECE_ROWS = 2000
csv_input.BLOCK_BYTES = 50_000
from score.__main__ import app
app()
"""
"""The command, with small pieces, so that there are many of them in a small file."""

logger = logging.getLogger("score")


@dataclass(frozen=True)
class Case:
    """What is killed, and when."""

    name: str
    options: tuple[str, ...] = ("-j", "2")
    merging: bool = False
    """Only while the output is put together."""
    worker: bool = False
    """One worker of the cluster instead of the command with all of its processes."""


DASK = ("--engine", "dask", "-j", "2")
CASES = [Case("command")]
if FULL:
    CASES += [
        Case("merging", merging=True),
        Case("cluster", DASK),
        Case("worker", DASK, worker=True),
    ]


class Target:
    """An input that is scored again and again, and what a run left alone makes of it."""

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
        """Start the command at the head of a process group of its own."""
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
        """What the last run said."""
        return self.output.with_suffix(".log").read_text()

    def progress(self) -> dict[str, int]:
        """When each file was written that is finished or being put together."""
        found = {}
        for path in self.folder.glob("*"):
            if path.name.startswith(("piece-", "scores.")) and ".arrow.unf" not in path.name:
                with suppress(FileNotFoundError):  # renamed just now
                    found[path.name] = path.stat().st_mtime_ns
        return found

    def pieces(self) -> dict[str, int]:
        """When each finished piece was written: a piece that is written twice has two times."""
        return {name: at for name, at in self.progress().items() if name.startswith("piece-")}


@pytest.fixture(scope="module")
def flights(frame: pd.DataFrame) -> pd.DataFrame:
    """Flights in random order, every hundredth of them without a destination."""
    chosen = frame.sample(ROWS, random_state=11, replace=True).reset_index(drop=True)
    chosen["scheduled_departure"] = chosen["scheduled_departure"].astype("str")
    chosen.loc[::BAD_EVERY, "destination"] = "nowhere"
    return chosen


@pytest.mark.timeout(3600 if FULL else 600)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_killed_at_random_moments(
    flights: pd.DataFrame, registered: str, tmp_path: Path, ending: str, case: Case
) -> None:
    """Killed several times and begun again, a run ends with every row, scored once."""
    source = tmp_path / f"in.{ending}"
    if ending == "csv":
        flights.to_csv(source, index=False)
    else:
        pq.write_table(pa.Table.from_pandas(flights), source, ROWS // 40)
    target = Target(source, registered, case.options)
    kills, files = kill_repeatedly(target, case, random.Random(5))  # noqa: S311 - it only picks moments
    logger.info("%s, %s: %s, %d outputs", case.name, ending, dict(sorted(kills.items())), files)
    assert kills.total() == KILLS


def kill_repeatedly(target: Target, case: Case, moments: random.Random) -> tuple[Counter[str], int]:
    """Kill until there are enough kills, and finish what is begun; kills by moment, and outputs."""
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
            assert not known or f"going on after {len(known)} pieces" in target.said()
            assert not target.folder.exists()
        check_whole(target.output, target.left_alone, ROWS)
        files += 1
        forget(target)
    return kills, files


def kill(run: subprocess.Popen[bytes], target: Target, case: Case, moments: random.Random) -> str:
    """Kill a run at a random moment; what it was at, or nothing where it had ended before."""
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
    """Wait until a run has got so far, or has ended."""
    deadline = time.monotonic() + HANGS
    while run.poll() is None and not condition():
        assert time.monotonic() < deadline, "the run hangs"
        time.sleep(0.001)


def merges(before: dict[str, int], now: dict[str, int]) -> bool:
    """Tell whether a run has begun to put pieces together since then."""
    return any(not name.startswith("piece-") for name in dict(now.items() - before.items()))


def command_line(pid: int) -> bytes:
    """Arguments of a process, empty where it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def forget(target: Target) -> None:
    """Remove an output that was checked, and what a run killed at its very end left."""
    target.output.unlink()
    Path(rejects_of(str(target.output))).unlink()
    if target.folder.exists():
        for path in target.folder.iterdir():
            path.unlink()
        target.folder.rmdir()


def check_whole(output: Path, left_alone: Path, rows: int) -> None:
    """Fail unless an output has each row once, scored or rejected, as that of a run left alone."""
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
def test_what_is_lost_doubled_or_other_is_seen(
    tmp_path: Path, rows: range | list[int], rejected: list[int], probability: float, words: str
) -> None:
    """A missing row, one that stands twice and another score fail the check."""

    def write(path: Path, rows: range | list[int], rejected: list[int], score: float) -> Path:
        pq.write_table(pa.table({"row": list(rows), "probability": [score] * len(rows)}), path)
        lines = ["row,reason,record", *(f"{row},bad,{{}}" for row in rejected)]
        Path(rejects_of(str(path))).write_text("\n".join(lines) + "\n")
        return path

    expected = write(tmp_path / "expected.parquet", range(1, 10), [10], 0.5)
    check_whole(expected, expected, 10)
    with pytest.raises(AssertionError, match=words):
        check_whole(write(tmp_path / "o.parquet", rows, rejected, probability), expected, 10)


def test_half_written_files_of_a_dead_run_do_no_harm(
    flights: pd.DataFrame, registered: str, tmp_path: Path
) -> None:
    """A half-written manifest, piece or output is written anew."""
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
