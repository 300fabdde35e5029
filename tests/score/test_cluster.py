"""Tests that a Dask cluster gives the same results, even if one of its workers is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from distributed import LocalCluster

from model.inference.bundle import Bundle
from score.cluster import DaskEngine, cluster
from score.engines import ThreadEngine
from score.merge import Totals
from score.pieces import Piece
from score.run import ScoringJob, run

pytestmark = [
    pytest.mark.usefixtures("small_pieces"),
    # a killed process does not close its sockets
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    # a busy machine creates folders slowly
    pytest.mark.filterwarnings("ignore:Creating scratch directories:UserWarning"),
]
MEMORY = "2GiB"


class KillingEngine:
    """Engine on a cluster that loses a worker after its first piece.

    Attributes
    ----------
    killed
        Process that was killed.
    """

    def __init__(self, dask: DaskEngine) -> None:
        self._dask = dask
        self.killed = 0

    def run(self, pieces: Iterable[Piece]) -> Iterator[tuple[Piece, bytes]]:
        """Kill one of the workers while it has work."""
        for done in self._dask.run(pieces):
            if not self.killed:
                self.killed = next(iter(self._dask.processes().values()))
                os.kill(self.killed, signal.SIGKILL)
            yield done


@pytest.fixture(scope="module")
def source(schedule: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file of flights in small row groups, one flight without an airline."""
    path = tmp_path_factory.mktemp("cluster") / "in.parquet"
    table = schedule.assign(airline=schedule["airline"].mask(schedule.index == 17))
    pq.write_table(pa.Table.from_pandas(table, preserve_index=False), path, 500)
    return path


def test_a_killed_worker_does_not_change_the_result(
    source: Path, bundle: Bundle, tmp_path: Path
) -> None:
    """Other workers score its pieces once, and the result equals that of threads."""
    here, there = tmp_path / "here.parquet", tmp_path / "there.parquet"

    @contextmanager
    def threads() -> Iterator[ThreadEngine]:
        yield ThreadEngine(bundle.predictor, 2)

    engines: list[KillingEngine] = []

    @contextmanager
    def killing() -> Iterator[KillingEngine]:
        with cluster(bundle, workers=2, memory=MEMORY) as dask:
            engines.append(KillingEngine(dask))
            yield engines[0]

    run(ScoringJob(str(source), str(here), "model:1"), threads())
    totals = run(ScoringJob(str(source), str(there), "model:1"), killing())
    assert totals == Totals(5000, 4999, 1)
    assert engines[0].killed
    assert pq.read_table(there).equals(pq.read_table(here))
    assert (tmp_path / "there.rejects.csv").read_text() == (
        tmp_path / "here.rejects.csv"
    ).read_text()


def test_a_running_scheduler_is_used(source: Path, bundle: Bundle, tmp_path: Path) -> None:
    """Its workers get the model with the first piece."""
    with LocalCluster(
        n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    ) as running:
        engine = cluster(bundle, 1, MEMORY, running.scheduler_address)
        totals = run(ScoringJob(str(source), str(tmp_path / "o.csv"), "model:1"), engine)
    assert totals.scored == 4999
