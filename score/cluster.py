"""Score pieces with the processes of a Dask cluster, local or remote.

`distributed` is installed with the group `dask` only. It schedules the work, monitors the workers
and repeats the work of a lost one.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dask.typing import Key
from distributed import Client, Worker, WorkerPlugin, as_completed, get_worker
from distributed.scheduler import KilledWorker

from model.inference.bundle import Bundle
from model.inference.predictor import Predictor
from model.training.distributed import connected
from score.engines import AHEAD, score_piece
from score.errors import EngineError
from score.pieces import Piece

PLUGIN = "flight-delay-model"
RETRIES = 3
"""Retries of a piece whose worker raised; Dask counts lost workers itself."""


class ModelPlugin(WorkerPlugin):
    """Plugin that loads the model in every worker, including replacements of lost ones.

    Parameters
    ----------
    files
        Files of the bundle: workers need no model store.
    """

    name = PLUGIN

    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = files
        self.predictor: Predictor | None = None

    def setup(self, worker: Worker) -> None:  # noqa: ARG002 - Dask's signature
        """Read the bundle in the worker's process and verify its checksums."""
        with tempfile.TemporaryDirectory() as folder:
            for name, content in self._files.items():
                Path(folder, name).write_bytes(content)
            self.predictor = Bundle.read(Path(folder), threads=1).predictor

    def __getstate__(self) -> dict[str, object]:
        return {"_files": self._files, "predictor": None}


class DaskEngine:
    """Engine that scores pieces with the workers of a cluster.

    Parameters
    ----------
    client
        Client connected to the cluster.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def run(self, pieces: Iterable[Piece]) -> Iterator[tuple[Piece, bytes]]:
        """Keep every worker busy; the pieces of a lost worker go to another one."""
        waiting = iter(pieces)
        working: dict[Key, Piece] = {}
        finished = as_completed(with_results=True, raise_errors=True)
        self._supply(waiting, working, finished)
        try:
            for future, content in finished:
                yield working.pop(future.key), content
                self._supply(waiting, working, finished)
        except KilledWorker as failure:
            message = f"the cluster lost too many workers: {failure}"
            raise EngineError(message) from failure

    def processes(self) -> dict[str, int]:
        """Return the process id of every worker, by its address."""
        found: dict[str, int] = self._client.run(os.getpid)
        return found

    def _supply(
        self, waiting: Iterator[Piece], working: dict[Key, Piece], finished: as_completed
    ) -> None:
        most = AHEAD * max(1, sum(self._client.nthreads().values()))
        while len(working) < most and (piece := next(waiting, None)) is not None:
            future = self._client.submit(_score_here, piece, pure=False, retries=RETRIES)
            working[future.key] = piece
            finished.add(future)


@contextmanager
def cluster(
    bundle: Bundle, workers: int, memory: str, scheduler: str | None = None
) -> Iterator[DaskEngine]:
    """Connect to a cluster, or start one with `workers` processes on this machine.

    Parameters
    ----------
    memory
        Memory limit of each process of the local cluster, e.g. ``"1GiB"``; a process above it is
        restarted.
    scheduler
        Address of a running scheduler; its workers need this project's code.

    Raises
    ------
    ClusterError
        If the scheduler does not answer.
    """
    with connected(workers, memory, scheduler) as client:
        client.register_plugin(ModelPlugin(bundle.files()))
        yield DaskEngine(client)


def _score_here(piece: Piece) -> bytes:
    plugin = get_worker().plugins[PLUGIN]
    if not isinstance(plugin, ModelPlugin) or plugin.predictor is None:
        message = "the worker has no model"
        raise EngineError(message)
    return score_piece(piece, plugin.predictor)
