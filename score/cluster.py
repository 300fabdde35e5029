"""The Dask engine: pieces are scored by the processes of a cluster, here or elsewhere.

`distributed` is installed with the group `dask` only. It
hands out the work, watches the workers and repeats what was lost with one of them.
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
"""Times that a piece is begun again whose worker raised; lost workers are counted by Dask."""


class ModelPlugin(WorkerPlugin):
    """Brings the model to every worker, and to those that replace a lost one.

    Parameters
    ----------
    files
        Of the bundle: workers need no model store.
    """

    name = PLUGIN

    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = files
        self.predictor: Predictor | None = None

    def setup(self, worker: Worker) -> None:  # noqa: ARG002 - Dask's signature
        """Read the bundle in the worker's process, checked against its sums."""
        with tempfile.TemporaryDirectory() as folder:
            for name, content in self._files.items():
                Path(folder, name).write_bytes(content)
            self.predictor = Bundle.read(Path(folder), threads=1).predictor

    def __getstate__(self) -> dict[str, object]:
        return {"_files": self._files, "predictor": None}


class Dask:
    """The workers of a cluster.

    Parameters
    ----------
    client
        Connected to it.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def run(self, pieces: Iterable[Piece]) -> Iterator[tuple[Piece, bytes]]:
        """Keep every worker supplied; what a lost worker had in work goes to another one."""
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
        """Process id of every worker, by its address."""
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
) -> Iterator[Dask]:
    """Connect to a cluster, or start one of so many processes on this machine.

    Parameters
    ----------
    memory
        Most that a process of the local cluster may take, e.g. ``"1GiB"``: one that takes more is
        ended and replaced.
    scheduler
        Address of a scheduler that runs already; its workers need this project's code.

    Raises
    ------
    ClusterError
        If nothing answers there.
    """
    with connected(workers, memory, scheduler) as client:
        client.register_plugin(ModelPlugin(bundle.files()))
        yield Dask(client)


def _score_here(piece: Piece) -> bytes:
    plugin = get_worker().plugins[PLUGIN]
    if not isinstance(plugin, ModelPlugin) or plugin.predictor is None:
        message = "the worker has no model"
        raise EngineError(message)
    return score_piece(piece, plugin.predictor)
