"""Trees grown on a Dask cluster beside those grown on one machine, from the same rows.

    python -m load.scenarios.distributed_training                   the flights at hand, as they are
    python -m load.scenarios.distributed_training --repeat 10       ten times as many rows

Fitted on the flights before October, judged on those from then on. Repeated rows teach nothing new;
they only show what time and memory more rows take.
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

logger = logging.getLogger("load")


@dataclass(frozen=True, slots=True)
class Fit:
    """One fit of one Booster.

    Attributes
    ----------
    workers
        Of the cluster; 0: this process, with as many threads as it has cores.
    worker_mb
        Most memory that a worker ever had.
    """

    rows: int
    workers: int
    seed: int
    seconds: float
    auc: float
    log_loss: float
    worker_mb: float


def main(
    repeat: Annotated[int, typer.Option(min=1, help="How often every row is taken.")] = 1,
    workers: Annotated[str, typer.Option(help="Sizes of the cluster; 0: no cluster.")] = "0,1,2",
    seeds: Annotated[int, typer.Option(min=1)] = 2,
    rounds: Annotated[int, typer.Option(min=1, help="Trees.")] = ROUNDS,
    memory: Annotated[str, typer.Option(help="Most of each worker.")] = "4GiB",
    reports: Annotated[Path, typer.Option(help="Folder for training.json.")] = Path("reports"),
) -> None:
    """Measure distributed training; write training.json."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    frame = load_flights().frame
    past = frame["scheduled_departure"] < SPLIT
    lesson = _repeated(prepare(frame[past], Level.SCHEDULE), repeat)
    recipes = [TrainingConfig(seed=seed, rounds=rounds) for seed in range(seeds)]
    fits: list[Fit] = []
    for count in map(int, workers.split(",")):
        if count == 0:
            fits += (_measured(lesson, recipe, frame[~past], None) for recipe in recipes)
            continue
        with connected(count, memory) as client:
            fits += (_measured(lesson, recipe, frame[~past], client) for recipe in recipes)
    reports.mkdir(parents=True, exist_ok=True)
    result = {"machine": environment.facts(), "fits": [asdict(each) for each in fits]}
    (reports / "training.json").write_text(json.dumps(result, indent=1) + "\n")


def _repeated(lesson: TrainingSet, times: int) -> TrainingSet:
    return TrainingSet(
        lesson.builder, np.tile(lesson.matrix, (times, 1)), np.tile(lesson.label, times)
    )


def _measured(
    lesson: TrainingSet, recipe: TrainingConfig, future: pd.DataFrame, client: Client | None
) -> Fit:
    started = time.perf_counter()
    booster = fit_booster_on(client, lesson, recipe) if client else fit_booster(lesson, recipe)
    seconds = time.perf_counter() - started
    auc, loss = _judge(booster, lesson.builder, future)
    peak = max(client.run(_peak_mb).values()) if client else _peak_mb()
    count = len(client.nthreads()) if client else 0
    done = Fit(len(lesson.label), count, recipe.seed, seconds, auc, loss, peak)
    logger.info("%s", done)
    return done


def _judge(booster: Booster, builder: FeatureBuilder, future: pd.DataFrame) -> tuple[float, float]:
    late = future["delayed"].to_numpy()
    probability = sigmoid(booster.raw_scores(builder.transform(Flights.from_columns(future))))
    return float(roc_auc_score(late, probability)), float(log_loss(late, probability))


def _peak_mb() -> float:
    """Largest resident size that this process ever had."""
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) * 1024 / 1e6


if __name__ == "__main__":
    typer.run(main)
