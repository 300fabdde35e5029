"""Kills `python -m score` at random moments and counts the rows that come out: `make kills`.

    python -m load.kills                                       the whole command, two threads
    python -m load.kills --engine dask                         and every process of its cluster
    python -m load.kills --engine dask --victim worker         only one worker at a time

A killed command is given again until its file is finished; then the next file begins. Every
finished file must have each row of the input once, scored or rejected, and equal the file of a run
that was left alone. Exit codes: 0 nothing is wrong, 1 something is.
"""

from __future__ import annotations

import json
import logging
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import typer

from load import machine
from load.many_flights import write_flights
from load.process import PROJECT, tree
from score.merge import rejects_of
from score.store import MANIFEST, SUFFIX

BAD_EVERY = 997
"""Each so many rows, one that must be rejected."""
GROUP_ROWS = 10_000
MOST_SECONDS = 600.0
"""After which a run hangs."""
CLOCK_SHARE = 0.25
"""Moments that are drawn from the whole run; most of it is its start. The others come later."""
LONGEST_PAUSE = 0.5
MERGE_PAUSE = 0.2
"""Seconds; with 300,000 flights, putting together takes about as long."""
LOOK_SECONDS = 0.002
MOST_RUNS = 10
"""Per kill that was asked for: a bound, should the moments always come too late."""
SCORED, REJECTED = 0, 1
"""Exit codes of a run that ended."""
EXIT_WRONG = 1

logger = logging.getLogger("load")


class Victim(StrEnum):
    """What is killed."""

    COMMAND = "command"
    """The command with all of its processes."""
    WORKER = "worker"
    """One worker process of its cluster."""


@dataclass(frozen=True)
class Moment:
    """When to kill.

    Attributes
    ----------
    pause
        Seconds after the start, or after the run has got on.
    after
        What the run must have finished or begun before the pause: a piece more, or any such thing.
    """

    pause: float
    after: After


@dataclass
class Tally:
    """What happened.

    Attributes
    ----------
    kills
        By what the command was at.
    runs, files
        That were begun, and that were finished.
    wrong
        What must not be: none, if all is well.
    """

    kills: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    files: int = 0
    wrong: list[str] = field(default_factory=list)


After = Callable[[set[str], set[str]], bool]
"""Whether a run has got far enough, by what its folder held at its start and holds now."""


@dataclass(frozen=True)
class Moments:
    """Draws moments; with `merging` only those after the first file of the output is begun."""

    random: random.Random
    merging: bool = False

    def draw(self, trial: Trial) -> Moment:
        """Draw the next one."""
        if self.merging:
            return Moment(self.random.uniform(0, MERGE_PAUSE), _merges)
        if self.random.random() < CLOCK_SHARE:
            return Moment(self.random.uniform(0, trial.seconds), lambda _before, _now: True)
        return Moment(self.random.uniform(0, LONGEST_PAUSE), set.__ne__)


@dataclass(frozen=True)
class Trial:
    """A file and how it is scored.

    Attributes
    ----------
    seconds
        That a run takes which is left alone.
    """

    source: Path
    rows: int
    expected: Path
    options: tuple[str, ...]
    seconds: float


def main(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    rows: Annotated[int, typer.Option(min=1000, help="Flights of a file.")] = 300_000,
    kills: Annotated[int, typer.Option(min=1, help="How many.")] = 20,
    engine: Annotated[str, typer.Option(help="threads or dask.")] = "threads",
    workers: Annotated[int, typer.Option("-j", min=1, help="Threads or workers.")] = 2,
    victim: Annotated[Victim, typer.Option(help="What is killed.")] = Victim.COMMAND,
    merging: Annotated[
        bool, typer.Option("--merging", help="Only while the output is put together.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of the moments.")] = 1,
    reports: Annotated[Path, typer.Option(help="Folder for kills.json.")] = Path("reports"),
) -> None:
    """Kill, go on, count; write kills.json."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    options = ("--engine", engine, "-j", str(workers))
    with tempfile.TemporaryDirectory(prefix="flight-delay-kills-") as name:
        trials = list(prepare(Path(name), rows, options))
        moments = Moments(random.Random(seed), merging)  # noqa: S311 - it only picks moments
        tally = torment(trials, Path(name) / "scores.parquet", kills, victim, moments)
    found = {
        "command": shlex.join(["python", "-m", "load.kills", *sys.argv[1:]]),
        "machine": machine.facts(),
        "kills": dict(tally.kills),
        "runs": tally.runs,
        "files": tally.files,
        "wrong": tally.wrong,
    }
    reports.mkdir(parents=True, exist_ok=True)
    (reports / "kills.json").write_text(json.dumps(found, indent=1) + "\n")
    told = ", ".join(f"{count} while {what}" for what, count in sorted(tally.kills.items()))
    logger.info("%d kills: %s; %d files", tally.kills.total(), told, tally.files)
    for fault in tally.wrong:
        logger.error("%s", fault)
    raise typer.Exit(EXIT_WRONG if tally.wrong else 0)


def prepare(folder: Path, rows: int, options: tuple[str, ...]) -> Iterator[Trial]:
    """Yield the same flights as Parquet and as CSV, each scored once by threads, undisturbed."""
    made = folder / "made.parquet"
    write_flights(made, rows)
    frame = pd.read_parquet(made)
    frame["scheduled_departure"] = frame["scheduled_departure"].astype("str")
    frame.loc[::BAD_EVERY, "destination"] = "nowhere"
    for ending in ("parquet", "csv"):
        source, expected = folder / f"in.{ending}", folder / f"left-alone-{ending}.parquet"
        if ending == "csv":
            frame.to_csv(source, index=False)
        else:
            pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), source, GROUP_ROWS)
        _until_the_end(_start(source, expected, ()))
        started = time.monotonic()
        other = folder / "timed.parquet"
        _until_the_end(_start(source, other, options))
        yield Trial(source, rows, expected, options, time.monotonic() - started)


def torment(
    trials: list[Trial], output: Path, kills: int, victim: Victim, moments: Moments
) -> Tally:
    """Kill until there are so many, and finish the file that is begun."""
    tally = Tally()
    while (tally.kills.total() < kills or Path(f"{output}{SUFFIX}").exists()) and (
        tally.runs < MOST_RUNS * kills
    ):
        trial = trials[tally.files % len(trials)]
        wanted = tally.kills.total() < kills
        tally.runs += 1
        output.unlink(missing_ok=True)
        run = _start(trial.source, output, trial.options)
        killed = wanted and _kill(run, moments.draw(trial), output, victim, tally)
        if killed and victim is Victim.COMMAND:
            if output.exists() and not Path(f"{output}{SUFFIX}", MANIFEST).exists():
                _judge(trial, output, tally)  # it was in place already
            continue
        if _until_the_end(run) not in {SCORED, REJECTED}:
            tally.wrong.append(f"run {tally.runs} ended with {run.returncode}")
            shutil.rmtree(f"{output}{SUFFIX}", ignore_errors=True)
            continue
        _judge(trial, output, tally)
    return tally


def _start(source: Path, output: Path, options: tuple[str, ...]) -> subprocess.Popen[bytes]:
    """Start the command at the head of a process group of its own."""
    command = [sys.executable, "-m", "score", str(source), "-o", str(output), *options]
    return subprocess.Popen(  # noqa: S603 - our own program
        command, cwd=PROJECT, stderr=subprocess.DEVNULL, start_new_session=True
    )


def _kill(
    run: subprocess.Popen[bytes], moment: Moment, output: Path, victim: Victim, tally: Tally
) -> bool:
    """Wait for the moment, then kill; false where the run had ended, or had no worker yet."""
    before, deadline = _finished(output), time.monotonic() + MOST_SECONDS
    while (
        run.poll() is None
        and not moment.after(before, _finished(output))
        and time.monotonic() < deadline
    ):
        time.sleep(LOOK_SECONDS)
    with suppress(subprocess.TimeoutExpired):
        run.wait(moment.pause)
        return False
    at = "ending" if output.exists() else _at(before, _finished(output))
    if victim is Victim.WORKER:
        workers = [pid for pid in tree(run.pid) if b"spawn_main" in _command_line(pid)]
        if not workers:
            return False
        os.kill(workers[-1], signal.SIGKILL)
    else:
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    tally.kills[at] += 1
    logger.info("kill %d, while %s", tally.kills.total(), at)
    return True


def _finished(output: Path) -> set[str]:
    """What a run has finished and is putting together: names, and when they were written."""
    folder = Path(f"{output}{SUFFIX}")
    found = set()
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name.startswith(("piece-", output.stem)) and "arrow.unf" not in path.name:
            with suppress(FileNotFoundError):  # renamed just now
                # what a dead run left half-written is begun anew under its name
                found.add(f"{path.name}@{path.stat().st_mtime_ns}")
    return found


def _merges(before: set[str], now: set[str]) -> bool:
    """Whether a run puts pieces together."""
    return any(not name.startswith("piece-") for name in now - before)


def _at(before: set[str], now: set[str]) -> str:
    """What a run is at, as its folder showed at its start and shows now."""
    if _merges(before, now):
        return "putting together"
    return "scoring" if now - before else "starting"


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _until_the_end(run: subprocess.Popen[bytes]) -> int | None:
    try:
        return run.wait(MOST_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        return None


def _judge(trial: Trial, output: Path, tally: Tally) -> None:
    """Count the rows of a finished file, compare it with the undisturbed one, and remove it."""
    tally.files += 1
    found, expected = (pq.read_table(path) for path in (output, trial.expected))
    rejected, left_alone = (
        Path(rejects_of(str(path))).read_bytes() for path in (output, trial.expected)
    )
    rows = [*found["row"].to_pylist(), *pd.read_csv(rejects_of(str(output)))["row"].tolist()]
    if sorted(rows) != list(range(1, trial.rows + 1)):
        tally.wrong.append(f"file {tally.files}: rows are lost or stand twice")
    if not found.equals(expected) or rejected != left_alone:
        tally.wrong.append(f"file {tally.files}: not what a run says that is left alone")
    output.unlink()
    Path(rejects_of(str(output))).unlink()
    shutil.rmtree(f"{output}{SUFFIX}", ignore_errors=True)


if __name__ == "__main__":
    typer.run(main)
