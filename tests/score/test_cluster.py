"""A Dask cluster gives the same results, also when one of its workers is killed."""

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
from score.cluster import Dask, cluster
from score.engines import Threads
from score.merge import Totals
from score.pieces import Piece
from score.run import Order, run

pytestmark = [
    pytest.mark.usefixtures("small_pieces"),
    # sockets of a process that was killed are closed by nobody
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    # a busy machine is slow to make folders
    pytest.mark.filterwarnings("ignore:Creating scratch directories:UserWarning"),
]
MEMORY = "2GiB"


class Killing:
    """A cluster that loses a worker after its first piece.

    Attributes
    ----------
    killed
        Process that was killed.
    """

    def __init__(self, dask: Dask) -> None:
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
    """Flights in small row groups, one of them without an airline."""
    path = tmp_path_factory.mktemp("cluster") / "in.parquet"
    table = schedule.assign(airline=schedule["airline"].mask(schedule.index == 17))
    pq.write_table(pa.Table.from_pandas(table, preserve_index=False), path, 500)
    return path


def test_a_worker_killed_in_the_middle_changes_nothing(
    source: Path, bundle: Bundle, tmp_path: Path
) -> None:
    """Its pieces are scored by others, once, and the result is the same as that of threads."""
    here, there = tmp_path / "here.parquet", tmp_path / "there.parquet"

    @contextmanager
    def threads() -> Iterator[Threads]:
        yield Threads(bundle.predictor, 2)

    engines: list[Killing] = []

    @contextmanager
    def killing() -> Iterator[Killing]:
        with cluster(bundle, workers=2, memory=MEMORY) as dask:
            engines.append(Killing(dask))
            yield engines[0]

    run(Order(str(source), str(here), "model:1"), threads())
    totals = run(Order(str(source), str(there), "model:1"), killing())
    assert totals == Totals(5000, 4999, 1)
    assert engines[0].killed
    assert pq.read_table(there).equals(pq.read_table(here))
    assert (tmp_path / "there.rejects.csv").read_text() == (
        tmp_path / "here.rejects.csv"
    ).read_text()


def test_a_scheduler_that_runs_already_is_used(
    source: Path, bundle: Bundle, tmp_path: Path
) -> None:
    """By its address; its workers get the model with the first piece of work."""
    with LocalCluster(
        n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    ) as running:
        engine = cluster(bundle, 1, MEMORY, running.scheduler_address)
        totals = run(Order(str(source), str(tmp_path / "o.csv"), "model:1"), engine)
    assert totals.scored == 4999
