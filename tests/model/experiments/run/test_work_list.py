"""A run that stops goes on where it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import pytest

from data.sample import generate
from model.experiments.attempts.attempt import Attempt, Kind, Verdict
from model.experiments.attempts.catalogue import ATTEMPTS
from model.experiments.evidence.steps import STEPS
from model.experiments.methods.table import Score, Table, Training
from model.experiments.run.results import Record, ResultStore
from model.experiments.run.work_list import FoldCache, Run, key_of, missing, runs, work
from model.inference.calibration import FloatArray
from tests.support.server import PROJECT


@dataclass(frozen=True)
class Constant:
    """Says the late share of the training flights, plus a little of the clock's order."""

    shift: float = 0.0

    def fit(self, training: Training, seed: int) -> Score:
        """Learn the share."""
        share = float(training.late.mean())

        def score(table: Table) -> FloatArray:
            rank = table.matrix[:, 0].argsort().argsort() / len(table)
            return share + self.shift + 0.01 * rank + 0.001 * seed

        return score


@dataclass(frozen=True)
class Broken:
    """Fails as a machine does: in the middle."""

    def fit(self, training: Training, seed: int) -> Score:
        """Fail."""
        message = f"{seed}: {len(training)} flights"
        raise OSError(message)


def _attempt(name: str, method: Constant | Broken, seeds: dict[str, int]) -> Attempt:
    return Attempt(name, Kind.LEARNING, name, "-", method, Verdict.DROPPED, "-", seeds)


PLAIN = _attempt("plain", Constant(), {"E1": 1, "E3.schedule": 2})


def test_the_first_seed_of_all_comes_first() -> None:
    """A run that is stopped early has a whole table: no second seed before every first one."""
    seeds = [run.seed for run in runs(ATTEMPTS)]
    assert seeds == sorted(seeds)
    assert len(seeds) == sum(sum(attempt.seeds.values()) for attempt in ATTEMPTS)


def test_seeds_can_be_asked_for() -> None:
    """So many seeds for every row, but for one that says that one is enough."""
    once = replace(PLAIN, once=True)
    assert len(runs([PLAIN], 4)) == 8
    assert runs([once], 4) == runs([once])


def test_finished_work_is_not_done_again(shelf: FoldCache, tmp_path: Path) -> None:
    """Results are stored one by one; who stops in the middle does only the rest later."""
    path = tmp_path / "ledger.jsonl"
    pieces = runs([PLAIN])
    first, _ = next(iter(work(pieces, shelf, ResultStore(path))))
    assert first == pieces[0]
    assert missing(pieces, shelf, ResultStore(path)) == pieces[1:]
    assert [piece for piece, _ in work(pieces, shelf, ResultStore(path))] == pieces[1:]
    assert missing(pieces, shelf, ResultStore(path)) == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_failure_leaves_the_others_alone(jobs: int, shelf: FoldCache, tmp_path: Path) -> None:
    """What can be done is done and kept; then the failure is raised."""
    ledger = ResultStore(tmp_path / "ledger.jsonl")
    pieces = runs([PLAIN])
    broken = Run(_attempt("broken", Broken(), {"E1": 1}), "E1", 0)
    with pytest.raises(OSError, match="0: "):
        list(work([broken, *pieces], shelf, ledger, jobs))
    assert missing([broken, *pieces], shelf, ledger) == [broken]


def test_evidence_runs_in_processes_too(shelf: FoldCache, tmp_path: Path) -> None:
    """A step, whose function cannot be sent to a process, is done by one all the same."""
    (step,) = [step for step in STEPS if step.id == "repeated-flights"]
    ledger = ResultStore(tmp_path / "ledger.jsonl")
    ((_, found),) = work([step], shelf, ledger, jobs=2)
    assert "day" in found


def test_processes_give_what_one_gives(shelf: FoldCache, tmp_path: Path) -> None:
    """Two processes store the same figures as one."""
    alone, together = (ResultStore(tmp_path / name) for name in ("alone", "together"))
    pieces = runs([PLAIN])
    list(work(pieces, shelf, alone))
    list(work(pieces, shelf, together, jobs=2))
    for piece in pieces:
        one, two = (_timeless(each.get(key_of(piece, shelf))) for each in (alone, together))
        assert one == two


def test_other_flights_or_another_method_are_run_anew(tiny: pd.DataFrame, shelf: FoldCache) -> None:
    """The key names the flights and the method, and not the words around them."""
    run = Run(PLAIN, "E1", 0)
    changed = replace(PLAIN, method=Constant(0.1))
    reworded = replace(PLAIN, title="other words", verdict=Verdict.KEPT)
    assert key_of(run, shelf) == key_of(Run(reworded, "E1", 0), shelf)
    assert key_of(run, shelf) != key_of(Run(changed, "E1", 0), shelf)
    assert key_of(run, shelf) != key_of(Run(PLAIN, "E1", 1), shelf)
    assert key_of(run, shelf) != key_of(run, FoldCache(tiny.iloc[1:]))


def test_a_killed_run_goes_on(tmp_path: Path) -> None:
    """`train.py experiments`, killed in the middle, keeps what was finished and does the rest."""
    ledger = tmp_path / "reports" / "ledger.jsonl"
    flights = tmp_path / "flights.csv"
    raw = generate.generate(seed=1)
    raw[raw["Fecha-I"] < "2017-05-01"].sample(frac=0.2, random_state=0).to_csv(flights, index=False)
    command = [
        *(sys.executable, "train.py", "experiments", "--data", str(flights)),
        *("--only", "notebook-logistic,notebook-logistic-balanced,lightgbm"),
        *("--reports", str(ledger.parent), "--docs", str(tmp_path / "docs"), "--seeds", "1"),
    ]
    process = subprocess.Popen(command, cwd=PROJECT, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 800
    while not ledger.is_file() or len(ledger.read_bytes().splitlines()) < 2:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=30)
    kept = ledger.read_bytes().splitlines()[:2]
    subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, timeout=250)
    lines = ledger.read_bytes().splitlines()
    assert lines[:2] == kept
    assert len(lines) == len(set(lines)) == 3 * 3 + 1
    assert (tmp_path / "docs" / "README.md").is_file()


def _timeless(record: Record | None) -> Record:
    assert record is not None
    return {
        name: value for name, value in record.items() if name not in {"fit_seconds", "microseconds"}
    }
