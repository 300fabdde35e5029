"""Grows a Booster on a Dask cluster, through LightGBM's own Dask estimators.

`dask` and `distributed` are imported here and in `score.cluster`, and installed with the group
`dask` only. Every worker holds its share of the rows and no more; LightGBM's workers exchange
histograms. A worker that is lost ends the fit: the rows of a fit belong together.

References
----------
LightGBM's manual, "Distributed Learning Guide": the data-parallel tree learner.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import dask
import dask.array as da
import lightgbm as lgb
from distributed import Client, LocalCluster

from model.errors import ClusterError
from model.inference.booster import Booster
from model.inference.calibration import FloatArray
from model.training.fit import (
    BoosterTrainer,
    TrainingConfig,
    TrainingSet,
    parameters,
    training_matrix,
)

CHUNK_ROWS = 50_000
CONNECT_SECONDS = "10s"
_AT_SPAWN = "distributed.nanny.pre-spawn-environ"
"""Variables that Dask sets before it starts a worker; ``None`` leaves one as it is."""

_NETWORK = re.compile(
    r"^\[(num_machines|local_listen_port|time_out|machines): .*\]\n", re.MULTILINE
)
_DECIDED_BY_DASK = frozenset({"num_threads", "deterministic"})
"""Threads are the worker's; sums of histograms arrive in any order."""


@contextmanager
def connected(workers: int, memory: str, scheduler: str | None = None) -> Iterator[Client]:
    """Yield a client of a scheduler that runs already, or of a cluster that lives as long.

    Parameters
    ----------
    workers
        Processes of the cluster on this machine.
    memory
        Most that one of them may take, e.g. ``"1GiB"``: one that takes more is ended.
    scheduler
        Address of a scheduler that runs already; its workers need this project's code.

    Raises
    ------
    ClusterError
        If nothing answers there.
    """
    logging.getLogger("distributed").setLevel(logging.WARNING)
    if scheduler is None:
        with _local_cluster(workers, memory) as local, Client(local) as client:
            yield client
        return
    try:
        client = Client(scheduler, timeout=CONNECT_SECONDS)
    except OSError as failure:
        message = f"no Dask scheduler answers at {scheduler} ({failure})."
        raise ClusterError(message) from failure
    with client:
        yield client


@contextmanager
def growing(workers: int, memory: str, scheduler: str | None = None) -> Iterator[BoosterTrainer]:
    """What `model.training.fit.fit` takes to grow its Boosters on a cluster; see `connected`."""
    with connected(workers, memory, scheduler) as client:
        yield partial(fit_booster_on, client)


def fit_booster_on(client: Client, lesson: TrainingSet, recipe: TrainingConfig) -> Booster:
    """Grow the trees of one Booster on all workers together.

    The same objective, constraints and parameters as on one machine. Trees differ in detail:
    each worker draws its own rows, and finds the bins of its share of the features.
    """
    builder = lesson.builder
    matrix = training_matrix(lesson, recipe.seed)
    rows, labels = _spread(client, matrix), _spread(client, lesson.label)
    chosen = {
        name: value
        for name, value in parameters(builder, recipe).items()
        if name not in _DECIDED_BY_DASK
    }
    estimator = lgb.DaskLGBMRegressor(client=client, n_estimators=recipe.rounds, **chosen)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Parameter n_jobs will be ignored", UserWarning)
        estimator.fit(
            rows,
            labels,
            feature_name=list(builder.feature_names),
            categorical_feature=list(builder.categorical),
        )
    return Booster(_NETWORK.sub("", estimator.booster_.model_to_string()))


def _local_cluster(workers: int, memory: str) -> LocalCluster:
    # Dask has its workers give freed memory back at once; scoring takes megabytes for each step,
    # and spent most of its time in asking for them again
    with dask.config.set({f"{_AT_SPAWN}.MALLOC_TRIM_THRESHOLD_": None}):
        return LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=memory,
            host="127.0.0.1",
            dashboard_address=None,
        )


def _spread(client: Client, values: FloatArray) -> da.Array:
    """An array whose chunks lie on the workers, as many rows on each."""
    chunks = [values[start : start + CHUNK_ROWS] for start in range(0, len(values), CHUNK_ROWS)]
    if len(chunks) < len(client.nthreads()):
        size = -(-len(values) // len(client.nthreads()))
        chunks = [values[start : start + size] for start in range(0, len(values), size)]
    placed = client.scatter(chunks, hash=False)
    whole: da.Array = da.concatenate(
        [
            da.from_delayed(future, chunk.shape, chunk.dtype)
            for future, chunk in zip(placed, chunks, strict=True)
        ]
    )
    return whole
