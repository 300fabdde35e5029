"""Fit a Booster on a Dask cluster with LightGBM's Dask estimators.

`dask` and `distributed` are imported here and in `score.cluster` only, and are installed with the
dependency group `dask`. Every worker holds its share of the rows; LightGBM's workers exchange
histograms. Losing a worker ends the fit, because its rows are lost with it.

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
"""Environment variables that Dask sets before it starts a worker; ``None`` leaves one unchanged."""

_NETWORK = re.compile(
    r"^\[(num_machines|local_listen_port|time_out|machines): .*\]\n", re.MULTILINE
)
_NOT_PASSED = frozenset({"num_threads", "deterministic"})
"""Dask sets the threads of a worker, and histograms are summed in order of arrival."""


@contextmanager
def connected(workers: int, memory: str, scheduler: str | None = None) -> Iterator[Client]:
    """Yield a client of a running scheduler, or of a local cluster that is closed at the end.

    Parameters
    ----------
    workers
        Processes of the local cluster.
    memory
        Memory limit of each process, e.g. ``"1GiB"``; Dask ends a process that exceeds it.
    scheduler
        Address of a running scheduler, whose workers need this project's code.

    Raises
    ------
    ClusterError
        If no scheduler answers at that address.
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
def cluster_trainer(
    workers: int, memory: str, scheduler: str | None = None
) -> Iterator[BoosterTrainer]:
    """Yield a function that fits Boosters on a cluster, for `model.training.fit.fit`."""
    with connected(workers, memory, scheduler) as client:
        yield partial(fit_booster_on, client)


def fit_booster_on(client: Client, training_set: TrainingSet, config: TrainingConfig) -> Booster:
    """Fit the trees of one Booster on all workers together.

    Objective, constraints and parameters are those of one machine. Trees differ in detail: each
    worker samples its own rows, and finds the bins of its share of the features.
    """
    builder = training_set.builder
    matrix = training_matrix(training_set, config.seed)
    rows, labels = _spread(client, matrix), _spread(client, training_set.label)
    chosen = {
        name: value
        for name, value in parameters(builder, config).items()
        if name not in _NOT_PASSED
    }
    estimator = lgb.DaskLGBMRegressor(client=client, n_estimators=config.rounds, **chosen)
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
    # by default Dask workers return freed memory at once; scoring allocates megabytes in each
    # step, and spent most of its time on allocating them again
    with dask.config.set({f"{_AT_SPAWN}.MALLOC_TRIM_THRESHOLD_": None}):
        return LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=memory,
            host="127.0.0.1",
            dashboard_address=None,
        )


def _spread(client: Client, values: FloatArray) -> da.Array:
    """Return an array whose chunks are spread evenly over the workers."""
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
