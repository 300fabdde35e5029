"""Measure bulk scoring against the Booster alone, and on files of growing size: `make load-bulk`.

    python -m load.scenarios.bulk_scoring              up to ten million flights
    python -m load.scenarios.bulk_scoring --rows 100000 --engines threads:1,dask:1,dask:2

Each file is scored by the command in its own process, timed from start to end. The comparison with
the Booster alone runs in this process, alternating, so that both run under the same conditions.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import lightgbm as lgb
import numpy as np
import pyarrow.parquet as pq
import typer

from data.flights import Flights
from load.tools import environment
from load.tools.made_up_flights import write_flights
from load.tools.server_process import PROJECT, pss_kb, tree
from load.tools.stats import summary
from model.inference.bundle import Bundle
from score.engines import ThreadEngine
from score.run import ScoringJob, run
from score.scoring import probabilities
from score.validation import validate
from serving.models import store
from serving.settings import settings

COMPARED_ROWS = 1_000_000
PROFILED_ROWS = 65_536
MEGABYTE = 1e6
SAMPLE_SECONDS = 0.1

logger = logging.getLogger("load")


@dataclass(frozen=True, slots=True)
class Command:
    """Result of one run of the command.

    Attributes
    ----------
    seconds
        From start to end, including the start of Python and reading the model.
    cpu_seconds, memory_mb
        Sums over the process and its children; the memory is the largest sample.
    """

    rows: int
    engine: str
    workers: int
    seconds: float
    cpu_seconds: float
    memory_mb: float


def main(
    rows: Annotated[str, typer.Option(help="Sizes of the files.")] = "100000,1000000,10000000",
    engines: Annotated[str, typer.Option(help="engine:workers, ...")] = "threads:2",
    rounds: Annotated[int, typer.Option(min=1, help="Of the comparison with the Booster.")] = 3,
    threads: Annotated[int, typer.Option(min=1, help="Of both, in the comparison.")] = 2,
    reports: Annotated[Path, typer.Option(help="Folder for bulk.json.")] = Path("reports"),
) -> None:
    """Measure bulk scoring; write bulk.json."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("score").setLevel(logging.WARNING)
    tag, bundle = store.read(settings().model, threads=1)
    with tempfile.TemporaryDirectory(prefix="flight-delay-bulk-") as name:
        folder = Path(name)
        result = {
            **environment.header("load.scenarios.bulk_scoring"),
            "model": tag,
            "beside_booster": beside_booster(tag, bundle, folder, threads, rounds),
            "stages_us": stages(bundle, folder),
            "files": [asdict(each) for each in files(folder, rows.split(","), engines.split(","))],
        }
    reports.mkdir(parents=True, exist_ok=True)
    (reports / "bulk.json").write_text(json.dumps(result, indent=1) + "\n")


def beside_booster(
    tag: str, bundle: Bundle, folder: Path, threads: int, rounds: int
) -> dict[str, Any]:
    """Return flights per second from file to file, and of `Booster.predict` on the matrix alone."""
    source, output = folder / "compared.parquet", folder / "compared-scores.parquet"
    write_flights(source, COMPARED_ROWS)
    predictor = bundle.predictor
    matrix = predictor.builder.transform(_flights(source))
    booster = lgb.Booster(model_str=predictor.booster.text)
    alone, bulk = [], []
    for _ in range(rounds):
        started = time.perf_counter()
        booster.predict(matrix, raw_score=True, num_threads=threads)
        alone.append(COMPARED_ROWS / (time.perf_counter() - started))
        started = time.perf_counter()
        engine = nullcontext(ThreadEngine(predictor, threads))
        run(ScoringJob(str(source), str(output), tag), engine)
        bulk.append(COMPARED_ROWS / (time.perf_counter() - started))
    ratios = summary([served / limit for served, limit in zip(bulk, alone, strict=True)])
    logger.info("%.0f flights/s, %.2f of the Booster alone", np.median(bulk), ratios["median"])
    return {"threads": threads, "bulk": summary(bulk), "alone": summary(alone), "ratio": ratios}


def stages(bundle: Bundle, folder: Path) -> dict[str, float]:
    """Return processor microseconds per flight of each stage, in one thread."""
    table = pq.read_table(folder / "compared.parquet").slice(0, PROFILED_ROWS)
    predictor, rows = bundle.predictor, len(table)
    clock = time.thread_time()
    found: dict[str, float] = {}

    def note(stage: str) -> None:
        nonlocal clock
        now = time.thread_time()
        found[stage], clock = (now - clock) / rows * 1e6, now

    flights = validate(table).flights
    note("validation")
    matrix = predictor.builder.transform(flights)
    note("features, at once")
    predictor.booster.compile()
    note("making the trees' tables")
    predictor.booster.raw_scores(matrix)
    note("trees, as tables")
    predictor.schedule.regression.raw_scores(matrix)
    note("line")
    probabilities(flights, predictor)
    note("features, trees and line, as bulk scoring calls them")
    booster = lgb.Booster(model_str=predictor.booster.text)
    clock = time.thread_time()
    booster.predict(matrix, raw_score=True, num_threads=1)
    note("Booster.predict alone")
    return found


def files(folder: Path, sizes: list[str], engines: list[str]) -> list[Command]:
    """Run the command on a file of each size, with each engine."""
    done = []
    for rows in map(int, sizes):
        source = folder / f"{rows}.parquet"
        write_flights(source, rows)
        for each in engines:
            name, _, workers = each.partition(":")
            done.append(_run_command(source, rows, name, int(workers or 1)))
            logger.info("%s", done[-1])
    return done


def _run_command(source: Path, rows: int, engine: str, workers: int) -> Command:
    command = [sys.executable, "-m", "score", str(source), "-o", f"{source}.out.parquet"]
    options = ["--engine", engine, "-j", str(workers)]
    before, started = os.times(), time.perf_counter()
    process = subprocess.Popen([*command, *options], cwd=PROJECT, stderr=subprocess.DEVNULL)  # noqa: S603 - our own command
    peak_kb = 0
    while process.poll() is None:
        peak_kb = max(peak_kb, sum(map(pss_kb, tree(process.pid))))
        time.sleep(SAMPLE_SECONDS)
    seconds, after = time.perf_counter() - started, os.times()
    if process.returncode != 0:
        raise subprocess.CalledProcessError(process.returncode, command)
    cpu = after.children_user + after.children_system - before.children_user
    cpu -= before.children_system
    return Command(rows, engine, workers, seconds, cpu, peak_kb * 1024 / MEGABYTE)


def _flights(source: Path) -> Flights:
    return validate(pq.read_table(source)).flights


if __name__ == "__main__":
    typer.run(main)
