"""Score a file of flights: `python -m score INPUT -o OUTPUT`.

    python -m score flights.csv.gz -o scores.parquet
    python -m score gs://bucket/season.parquet -o gs://bucket/scores.parquet --engine dask

Every row of the input is scored, or listed with a reason in the rejects file next to the output.
The same command resumes a killed run.
Exit codes: 0 all rows scored, 1 some rejected, 2 the file cannot be scored, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import logging
import os
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from typing import Annotated

import typer

from model.errors import MissingExtra, ModelError
from model.inference.bundle import Bundle
from score.engines import Engine, ThreadEngine
from score.errors import ScoreError
from score.merge import Totals, first_reject, rejects_of
from score.run import ScoringJob, Shard, run
from serving.errors import ServingError
from serving.models import store
from serving.settings import settings

EXIT_REJECTED, EXIT_CANNOT, EXIT_STOPPED = 1, 2, 130

logger = logging.getLogger("score")
app = typer.Typer(add_completion=False)


class EngineName(StrEnum):
    """Engine that scores the pieces."""

    THREADS = "threads"
    """Threads of this process."""
    DASK = "dask"
    """Processes of a Dask cluster."""


@app.command()
def main(  # noqa: PLR0913, PLR0917 - one parameter per option of the command line
    source: Annotated[
        str,
        typer.Argument(metavar="INPUT", help="CSV, gzip-compressed CSV or Parquet: path or URL."),
    ],
    output: Annotated[
        str, typer.Option("--output", "-o", help="Path or URL: .parquet, .csv or .csv.gz.")
    ],
    model: Annotated[
        str | None, typer.Option(help="Tag in the model store.", show_default="the served one")
    ] = None,
    threads: Annotated[
        int,
        typer.Option("--threads", "-j", min=0, help="Threads or workers; 0: one per core."),
    ] = 0,
    engine: Annotated[EngineName, typer.Option(help="Scoring engine.")] = EngineName.THREADS,
    scheduler: Annotated[
        str | None, typer.Option(help="With dask: address of a running scheduler.")
    ] = None,
    worker_memory: Annotated[
        str, typer.Option(help="With dask: memory limit of each local worker.")
    ] = "1GiB",
    shard_index: Annotated[
        int, typer.Option(min=0, envvar="CLOUD_RUN_TASK_INDEX", help="Index of this task, from 0.")
    ] = 0,
    shard_count: Annotated[
        int, typer.Option(min=1, envvar="CLOUD_RUN_TASK_COUNT", help="Number of tasks.")
    ] = 1,
    allow_rejects: Annotated[
        bool, typer.Option("--allow-rejects", help="Exit with 0 even if rows were rejected.")
    ] = False,
) -> None:
    """Score a file of flights of any size from the schedule."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    workers = threads or len(os.sched_getaffinity(0))
    try:
        shard = Shard.of(shard_index, shard_count)
        tag, bundle = store.read(model or settings().model, threads=1)
        chosen = _engine(engine, bundle, workers, worker_memory, scheduler)
        totals = run(ScoringJob(source, output, tag, shard), chosen)
    except (ScoreError, ModelError, ServingError) as failure:
        logger.error("%s", failure)  # noqa: TRY400 - the message is complete without a traceback
        raise typer.Exit(EXIT_CANNOT) from failure
    except KeyboardInterrupt as stop:
        logger.error("stopped; run the same command to resume")  # noqa: TRY400 - not an error
        raise typer.Exit(EXIT_STOPPED) from stop
    except Exception as failure:  # Python's own exit code 1 would mean rejected rows
        logger.exception("failed; run the same command to resume")
        raise typer.Exit(EXIT_CANNOT) from failure
    _log_totals(totals, tag, shard.output(output))
    raise typer.Exit(EXIT_REJECTED if totals.rejected and not allow_rejects else 0)


def _log_totals(totals: Totals, tag: str, output: str) -> None:
    logger.info(
        "%s rows: %s scored by %s, %s rejected",
        *(f"{totals.rows:,}", f"{totals.scored:,}", tag, f"{totals.rejected:,}"),
    )
    logger.info("scores:  %s", output)
    if totals.rejected:
        logger.info("rejects: %s", rejects_of(output))
        logger.info("         the first: %s", first_reject(output))


def _engine(
    name: EngineName, bundle: Bundle, workers: int, memory: str, scheduler: str | None
) -> AbstractContextManager[Engine]:
    if name is EngineName.THREADS:
        return nullcontext(ThreadEngine(bundle.predictor, workers))
    try:
        from score.cluster import cluster  # noqa: PLC0415 - an optional package
    except ImportError as failure:
        message = "--engine dask needs the package distributed, of the dependency group `dask`"
        raise MissingExtra(message) from failure
    return cluster(bundle, workers, memory, scheduler)


if __name__ == "__main__":
    app()
