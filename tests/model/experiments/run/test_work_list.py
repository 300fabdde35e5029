"""Check that a stopped run continues."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pandas as pd
import pytest

from data.sample import generate_flights
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
    """Method that predicts the training late share plus a small term by time of day."""

    kind: ClassVar[str] = "constant"

    shift: float = 0.0

    def fit(self, training: Training, seed: int) -> Score:
        """Compute the share."""
        share = float(training.late.mean())

        def score(table: Table) -> FloatArray:
            rank = table.matrix[:, 0].argsort().argsort() / len(table)
            return share + self.shift + 0.01 * rank + 0.001 * seed

        return score


@dataclass(frozen=True)
class Broken:
    """Method that fails while it is fitted."""

    kind: ClassVar[str] = "broken"

    def fit(self, training: Training, seed: int) -> Score:
        """Fail."""
        message = f"{seed}: {len(training)} flights"
        raise OSError(message)


def _attempt(name: str, method: Constant | Broken, seeds: dict[str, int]) -> Attempt:
    return Attempt(name, Kind.LEARNING, name, "-", method, Verdict.DROPPED, "-", seeds)


PLAIN = _attempt("plain", Constant(), {"E1": 1, "E3.schedule": 2})


def test_the_first_seed_of_all_comes_first() -> None:
    """No second seed is run before every first one, so a stopped run has a complete table."""
    seeds = [run.seed for run in runs(ATTEMPTS)]
    assert seeds == sorted(seeds)
    assert len(seeds) == sum(sum(attempt.seeds.values()) for attempt in ATTEMPTS)


def test_the_number_of_seeds_can_be_set() -> None:
    """Every row has this number of seeds, except deterministic methods."""
    once = replace(PLAIN, once=True)
    assert len(runs([PLAIN], 4)) == 8
    assert runs([once], 4) == runs([once])


def test_finished_work_is_not_repeated(cache: FoldCache, tmp_path: Path) -> None:
    """Results are stored one by one; a second call runs only the missing ones."""
    path = tmp_path / "ledger.jsonl"
    pieces = runs([PLAIN])
    first, _ = next(iter(work(pieces, cache, ResultStore(path))))
    assert first == pieces[0]
    assert missing(pieces, cache, ResultStore(path)) == pieces[1:]
    assert [piece for piece, _ in work(pieces, cache, ResultStore(path))] == pieces[1:]
    assert missing(pieces, cache, ResultStore(path)) == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_others_are_run_after_a_failure(jobs: int, cache: FoldCache, tmp_path: Path) -> None:
    """All other pieces are run and kept before the exception is raised."""
    store = ResultStore(tmp_path / "ledger.jsonl")
    pieces = runs([PLAIN])
    broken = Run(_attempt("broken", Broken(), {"E1": 1}), "E1", 0)
    with pytest.raises(OSError, match="0: "):
        list(work([broken, *pieces], cache, store, jobs))
    assert missing([broken, *pieces], cache, store) == [broken]


def test_evidence_runs_in_processes_too(cache: FoldCache, tmp_path: Path) -> None:
    """A step runs in a process although its function cannot be pickled."""
    (step,) = [step for step in STEPS if step.id == "repeated-flights"]
    store = ResultStore(tmp_path / "ledger.jsonl")
    ((_, found),) = work([step], cache, store, jobs=2)
    assert "day" in found


def test_two_processes_give_the_same_results(cache: FoldCache, tmp_path: Path) -> None:
    """Two processes store the same figures as one."""
    alone, together = (ResultStore(tmp_path / name) for name in ("alone", "together"))
    pieces = runs([PLAIN])
    list(work(pieces, cache, alone))
    list(work(pieces, cache, together, jobs=2))
    for piece in pieces:
        one, two = (_timeless(each.get(key_of(piece, cache))) for each in (alone, together))
        assert one == two


def test_other_flights_or_another_method_are_run_again(
    tiny: pd.DataFrame, cache: FoldCache
) -> None:
    """The key depends on flights, method and seed, but not on texts or class names."""
    run = Run(PLAIN, "E1", 0)
    changed = replace(PLAIN, method=Constant(0.1))
    renamed = replace(PLAIN, method=type("Renamed", (Constant,), {})())
    reworded = replace(PLAIN, title="other words", verdict=Verdict.KEPT)
    assert key_of(run, cache) == key_of(Run(reworded, "E1", 0), cache)
    assert key_of(run, cache) == key_of(Run(renamed, "E1", 0), cache)
    assert key_of(run, cache) != key_of(Run(changed, "E1", 0), cache)
    assert key_of(run, cache) != key_of(Run(PLAIN, "E1", 1), cache)
    assert key_of(run, cache) != key_of(run, FoldCache(tiny.iloc[1:]))


def test_a_killed_run_continues(tmp_path: Path) -> None:
    """`train.py experiments` keeps finished results when killed and runs the rest later."""
    store = tmp_path / "reports" / "ledger.jsonl"
    flights = tmp_path / "flights.csv"
    raw = generate_flights(seed=1)
    raw[raw["Fecha-I"] < "2017-05-01"].sample(frac=0.2, random_state=0).to_csv(flights, index=False)
    command = [
        *(sys.executable, "train.py", "experiments", "--data", str(flights)),
        *("--only", "notebook-logistic,notebook-logistic-balanced,lightgbm"),
        *("--reports", str(store.parent), "--docs", str(tmp_path / "docs"), "--seeds", "1"),
    ]
    process = subprocess.Popen(command, cwd=PROJECT, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 800
    while not store.is_file() or len(store.read_bytes().splitlines()) < 2:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=30)
    kept = store.read_bytes().splitlines()[:2]
    subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, timeout=250)
    lines = store.read_bytes().splitlines()
    assert lines[:2] == kept
    assert len(lines) == len(set(lines)) == 3 * 3 + 1
    assert (tmp_path / "docs" / "README.md").is_file()


def _timeless(record: Record | None) -> Record:
    assert record is not None
    return {
        name: value for name, value in record.items() if name not in {"fit_seconds", "microseconds"}
    }
