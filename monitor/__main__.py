"""Judge the registered model: `python -m monitor`.

    python -m monitor                        judge it on the flights after its training
    python -m monitor --log parquet:DIR      judge its logged answers
    python -m monitor --refit                and refit it through the champion gate if called for
    python -m monitor outcomes --log ...     join the log with the outcomes, into a file

Exit codes: 0 nothing to do (or a refit was called for and registered), 10 a refit is called for,
11 investigate, 2 nothing could be judged, 3 the champion gate refused the refit.
"""

from __future__ import annotations

import logging
import shlex
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from tqdm import tqdm

from data.errors import DataError
from data.load import Dataset, load_flights
from model.errors import ModelError
from monitor import MonitorError, report
from monitor.judgement import Reference, State, judge
from monitor.log import read_log
from monitor.monitored_model import monitored_model, refit
from monitor.outcomes import join
from serving.errors import ServingError
from serving.models import store

EXIT_UNUSABLE = 2
REPORTS = Path("reports")
WIDTH = 80
"""Columns of a terminal, to which the text is wrapped."""

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


@app.callback(invoke_without_command=True)
def monitor(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    context: typer.Context,
    log: Log = None,
    data: Data = None,
    mapping: Mapping = None,
    name: Annotated[str, typer.Option(help="Name in the model store.")] = store.DEFAULT_NAME,
    until: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Judge as if it were this day."),
    ] = None,
    reports: Annotated[
        Path, typer.Option(help="Folder of monitor.html and monitor.json.")
    ] = REPORTS,
    act: Annotated[
        bool, typer.Option("--refit", help="Refit through the champion gate if it is called for.")
    ] = False,
) -> None:
    """Judge the registered model: nothing to do, investigate, or refit."""
    if context.invoked_subcommand:
        return
    command = _refit_command(log=log, data=data, mapping=mapping, name=name, reports=reports)
    with reported_errors():
        dataset = load_flights(data, mapping=mapping)
        if until:
            known = dataset.frame["scheduled_departure"] < np.datetime64(until)
            dataset = replace(dataset, frame=dataset.frame[known].reset_index(drop=True))
        state = _judge(dataset, f"{name}:latest", log, reports, command)
    if state is State.REFIT and act:
        raise typer.Exit(refit(data, mapping, name, reports))
    raise typer.Exit(int(state))


@app.command()
def outcomes(
    log: Annotated[str, typer.Option(help="As for the judgement.")],
    flights: Annotated[str, typer.Option(help="Flights with outcomes, as for train.py.")],
    mapping: Mapping = None,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="A .parquet or .csv file to write.")
    ] = Path("outcomes.parquet"),
) -> None:
    """Join every logged prediction with the outcome of its flight."""
    with reported_errors():
        logged, repeated = read_log(log)
        joined, counts = join(logged, load_flights(flights, mapping=mapping).frame, repeated)
    part = output.with_name(f".{output.name}.part")
    writer = joined.to_csv if output.suffix == ".csv" else joined.to_parquet
    writer(part, index=False)
    part.rename(output)
    for name, count in asdict(counts).items():
        logger.info("%-14s %10s", name.replace("_", " "), f"{count:,}")


@contextmanager
def reported_errors() -> Iterator[None]:
    """Log an error of the project as one message and exit with 2."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        yield
    except (DataError, ModelError, MonitorError, ServingError) as error:
        logger.error("%s", error)  # noqa: TRY400 - the message is complete without a traceback
        raise typer.Exit(EXIT_UNUSABLE) from error


def _judge(dataset: Dataset, tag: str, log: str | None, reports: Path, refit_command: str) -> State:
    tag, bundle = store.read(tag, threads=0)
    model = monitored_model(tag, bundle, dataset, log, tqdm.write)
    reference = Reference.of(model.history, model.fitted_before)
    finding = judge(model.history, reference, model.scored)
    about = {
        "model": model.tag,
        "airport": dataset.airport_config.airport,
        "place": dataset.airport_config.place,
        "source": dataset.origin,
        "counts": model.counts,
        "notes": model.notes,
        "newcomers": model.newcomers(int(finding.table.week[-1])),
        "refit_command": refit_command,
    }
    found = report.summary(finding, reference, about)
    page = report.write(reports, found, finding, reference)
    logger.info("%s\nreport: %s", _terminal_text(found), page)
    return finding.state


def _refit_command(**options: object) -> str:
    """Return the given command with `--refit`, without `--until`, which applies to judging only."""
    defaults = {"name": store.DEFAULT_NAME, "reports": REPORTS}
    words = ["python", "-m", "monitor"]
    for option, value in options.items():
        if value is not None and value != defaults.get(option):
            words += [f"--{option}", str(value)]
    return shlex.join([*words, "--refit"])


def _terminal_text(found: report.Json) -> str:
    """Return the finding as text: the action, then the reasons."""
    lines = _wrapped(f"{found['airport']}: {found['action']}", "")
    for number, step in enumerate(found["steps"], 1):
        lines += _wrapped(step["say"], f"{number}. ")
        lines += [f"     {step['run']}"] if step["run"] else []
    lines += ["why:"]
    for reason in (*found["reasons"], *found["notes"]):
        lines += _wrapped(reason, "- ")
    return "\n".join(lines)


def _wrapped(text: str, mark: str) -> list[str]:
    space = "\N{NO-BREAK SPACE}"  # keeps a number and its unit on one line
    wrapper = textwrap.TextWrapper(WIDTH, initial_indent=mark, subsequent_indent=" " * len(mark))
    wrapper.break_long_words = wrapper.break_on_hyphens = False
    lines = wrapper.wrap(text.replace(" %", f"{space}%"))
    return [line.replace(space, " ") for line in lines]


if __name__ == "__main__":
    app()
