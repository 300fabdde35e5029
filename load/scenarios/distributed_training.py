"""Compare training on a Dask cluster with training on one machine, from the same rows.

    python -m load.scenarios.distributed_training                   all flights once
    python -m load.scenarios.distributed_training --repeat 10       every flight ten times

Models are fitted on the flights before October and evaluated on the later ones. Repeated rows carry
no information; they show how time and memory grow with the number of rows.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from distributed import Client
from sklearn.metrics import log_loss, roc_auc_score

from data.flights import Flights
from data.load import load_flights
from features.builder import FeatureBuilder, Level
from load.tools import environment
from model.inference.booster import Booster
from model.inference.calibration import sigmoid
from model.training.distributed import connected, fit_booster_on
from model.training.fit import ROUNDS, TrainingConfig, TrainingSet, fit_booster, prepare

SPLIT = "2017-10-01"
MODULE = "load.scenarios.distributed_training"

logger = logging.getLogger("load")


@dataclass(frozen=True, slots=True)
class Fit:
    """Result of one fit of a Booster.

    Attributes
    ----------
    workers
        Size of the cluster; 0: this process with one thread per core.
    worker_mb
        Largest memory of a worker.
    """

    rows: int
    workers: int
    seed: int
    seconds: float
    auc: float
    log_loss: float
    worker_mb: float


def main(
    repeat: Annotated[int, typer.Option(min=1, help="Copies of every row.")] = 1,
    workers: Annotated[str, typer.Option(help="Sizes of the cluster; 0: no cluster.")] = "0,1,2",
    seeds: Annotated[int, typer.Option(min=1)] = 2,
    rounds: Annotated[int, typer.Option(min=1, help="Trees.")] = ROUNDS,
    memory: Annotated[str, typer.Option(help="Limit of each worker.")] = "4GiB",
    reports: Annotated[Path, typer.Option(help="Folder for training.json.")] = Path("reports"),
) -> None:
    """Measure distributed training; write training.json."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    frame = load_flights().frame
    past = frame["scheduled_departure"] < SPLIT
    training_set = _repeated(prepare(frame[past], Level.SCHEDULE), repeat)
    configs = [TrainingConfig(seed=seed, rounds=rounds) for seed in range(seeds)]
    fits: list[Fit] = []
    for count in map(int, workers.split(",")):
        if count == 0:
            fits += (_measured(training_set, config, frame[~past], None) for config in configs)
            continue
        with connected(count, memory) as client:
            fits += (_measured(training_set, config, frame[~past], client) for config in configs)
    reports.mkdir(parents=True, exist_ok=True)
    result = {**environment.header(MODULE), "fits": [asdict(each) for each in fits]}
    (reports / "training.json").write_text(json.dumps(result, indent=1) + "\n")


def _repeated(one: TrainingSet, times: int) -> TrainingSet:
    return TrainingSet(one.builder, np.tile(one.matrix, (times, 1)), np.tile(one.label, times))


def _measured(
    training_set: TrainingSet, config: TrainingConfig, future: pd.DataFrame, client: Client | None
) -> Fit:
    started = time.perf_counter()
    if client:
        booster = fit_booster_on(client, training_set, config)
    else:
        booster = fit_booster(training_set, config)
    seconds = time.perf_counter() - started
    auc, loss = _judge(booster, training_set.builder, future)
    peak = max(client.run(_peak_mb).values()) if client else _peak_mb()
    count = len(client.nthreads()) if client else 0
    done = Fit(len(training_set.label), count, config.seed, seconds, auc, loss, peak)
    logger.info("%s", done)
    return done


def _judge(booster: Booster, builder: FeatureBuilder, future: pd.DataFrame) -> tuple[float, float]:
    late = future["delayed"].to_numpy()
    probability = sigmoid(booster.raw_scores(builder.transform(Flights.from_columns(future))))
    return float(roc_auc_score(late, probability)), float(log_loss(late, probability))


def _peak_mb() -> float:
    """Return the peak resident size of this process."""
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) * 1024 / 1e6


if __name__ == "__main__":
    typer.run(main)
