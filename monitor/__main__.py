"""Watches the registered model: `python -m monitor`.

    python -m monitor                        judge it on the flights after its training
    python -m monitor --log parquet:DIR      judge what it really answered
    python -m monitor --refit                and refit it, through the champion gate, if called for
    python -m monitor outcomes --log ...     join the log with what happened, into a file
    python -m monitor demo                   2017 as it unfolded: docs/monitoring.md

Exit codes: 0 nothing to do (or a refit was called for and registered), 10 a refit is called for,
11 look at the report, 2 nothing could be judged, 3 the champion gate refused the refit.
"""

from __future__ import annotations

import logging
import shlex
import textwrap
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from tqdm import tqdm

from data.errors import DataError
from data.load import Dataset, load_flights
from model.errors import ModelError
from monitor import report
from monitor.errors import MonitorError
from monitor.judgement import Finding, Reference, State, judge
from monitor.log import read_log
from monitor.monitored_model import Subject, newcomers, refit, subject
from monitor.outcomes import join
from monitor.study import demo
from serving.errors import ServingError
from serving.models import store

EXIT_UNUSABLE = 2
REPORTS = Path("reports")
WIDTH = 80
"""Columns of a terminal; what people read is wrapped to them."""

_STUCK = "\N{NO-BREAK SPACE}%"

logger = logging.getLogger("monitor")
app = typer.Typer(add_completion=False)

Data = Annotated[
    str | None, typer.Option(help="All flights with outcomes so far, as for train.py.")
]
Mapping = Annotated[
    Path | None, typer.Option(help="Description of another airport's file, as for train.py.")
]
Log = Annotated[
    str | None, typer.Option(help="parquet:<folder>, sql:<URL> or json:<file of log lines>.")
]
Reports = Annotated[Path, typer.Option(help="Folder of monitor.html and monitor.json.")]


@app.callback(invoke_without_command=True)
def watch(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    context: typer.Context,
    log: Log = None,
    data: Data = None,
    mapping: Mapping = None,
    name: Annotated[str, typer.Option(help="Name in the model store.")] = store.DEFAULT_NAME,
    until: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Judge as if it were this day."),
    ] = None,
    reports: Reports = REPORTS,
    act: Annotated[
        bool, typer.Option("--refit", help="Refit through the champion gate if it is called for.")
    ] = False,
) -> None:
    """Judge the registered model: nothing to do, look, or refit."""
    if context.invoked_subcommand:
        return
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        dataset = _until(load_flights(data, mapping=mapping), until)
        tag, bundle = store.read(f"{name}:latest", threads=0)
        watched = subject(tag, bundle, dataset, log, tqdm.write)
        reference = Reference.of(watched.history, watched.fitted_before)
        finding = judge(watched.history, reference, watched.watched)
    except (DataError, ModelError, MonitorError, ServingError) as error:
        logger.error("%s", error)  # noqa: TRY400 - for people: the text says all
        raise typer.Exit(EXIT_UNUSABLE) from error
    command = _refit_command(log=log, data=data, mapping=mapping, name=name, reports=reports)
    _report(watched, finding, reference, dataset, reports, command)
    if finding.state is State.REFIT and act:
        raise typer.Exit(refit(data, mapping, name, reports))
    raise typer.Exit(int(finding.state))


@app.command()
def outcomes(
    log: Annotated[str, typer.Option(help="As for the watch.")],
    flights: Annotated[str, typer.Option(help="Flights with outcomes, as for train.py.")],
    mapping: Mapping = None,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="A .parquet or .csv file to write.")
    ] = Path("outcomes.parquet"),
) -> None:
    """Join every logged prediction with what happened to its flight."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        logged, repeated = read_log(log)
        joined, counts = join(logged, load_flights(flights, mapping=mapping).frame, repeated)
    except (DataError, MonitorError) as error:
        logger.error("%s", error)  # noqa: TRY400 - for people: the text says all
        raise typer.Exit(EXIT_UNUSABLE) from error
    part = output.with_name(f".{output.name}.part")
    writer = joined.to_csv if output.suffix == ".csv" else joined.to_parquet
    writer(part, index=False)
    part.rename(output)
    for what, count in counts.to_json().items():
        logger.info("%-14s %10s", what.replace("_", " "), f"{count:,}")


@app.command(name="demo")
def demonstrate(
    data: Data = None,
    mapping: Mapping = None,
    fit_until: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], help="Fit on the flights before this date.")
    ] = datetime(2017, 7, 1),  # noqa: DTZ001 - a date of the airport's wall clock
    shuffles: Annotated[
        int, typer.Option(min=0, help="Shuffles of whole weeks with models fitted on them.")
    ] = 10,
    docs: Annotated[Path, typer.Option(help="Folder of monitoring.md.")] = Path("docs"),
) -> None:
    """Replay a year week by week, measure false alarms, and write docs/monitoring.md."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        found = demo.run(load_flights(data, mapping=mapping), fit_until, shuffles, tqdm.write)
    except (DataError, ModelError, MonitorError) as error:
        logger.error("%s", error)  # noqa: TRY400 - for people: the text says all
        raise typer.Exit(EXIT_UNUSABLE) from error
    logger.info("written: %s", demo.write(docs, found))


def _until(dataset: Dataset, until: datetime | None) -> Dataset:
    if until is None:
        return dataset
    frame = dataset.frame[dataset.frame["scheduled_departure"] < np.datetime64(until)]
    return replace(dataset, frame=frame.reset_index(drop=True))


def _refit_command(**options: object) -> str:
    """The command that was given, as it refits: `--until` judges the past, a refit does not."""
    usual = {"name": store.DEFAULT_NAME, "reports": REPORTS}
    given = {
        f"--{option}": str(value)
        for option, value in options.items()
        if value is not None and value != usual.get(option)
    }
    words = [word for pair in given.items() for word in pair]
    return shlex.join(["python", "-m", "monitor", *words, "--refit"])


def _report(
    watched: Subject,
    finding: Finding,
    reference: Reference,
    dataset: Dataset,
    folder: Path,
    refit_command: str,
) -> None:
    about = {
        "model": watched.tag,
        "airport": dataset.airport_config.airport,
        "place": dataset.airport_config.place,
        "source": dataset.origin,
        "counts": watched.counts,
        "notes": watched.notes,
        "newcomers": newcomers(watched, int(finding.table.week[-1])),
        "refit_command": refit_command,
    }
    found = report.summary(finding, reference, about)
    page = report.write(folder, found, finding, reference)
    logger.info("%s", _told(found))
    logger.info("report: %s", page)


def _told(found: report.Json) -> str:
    """The finding as a terminal shows it: what to do, then why."""
    lines = _wrapped(f"{found['airport']}: {found['action']}", "")
    for number, step in enumerate(found["steps"], 1):
        lines += _wrapped(step["say"], f"{number}. ")
        lines += [f"     {step['run']}"] if step["run"] else []
    lines += ["why:"]
    for reason in (*found["reasons"], *found["notes"]):
        lines += _wrapped(reason, "- ")
    return "\n".join(lines)


def _wrapped(text: str, mark: str) -> list[str]:
    lines = textwrap.wrap(
        text.replace(" %", _STUCK),  # no line begins with the sign
        WIDTH,
        initial_indent=mark,
        subsequent_indent=" " * len(mark),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(_STUCK, " %") for line in lines]


if __name__ == "__main__":
    app()
