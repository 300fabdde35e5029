"""Writes what was measured for people: a page with pictures and the tables of docs/.

`python -m load.reports.report` renders the last measurement again, for instance once its
conclusions have been written.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from load.reports import plots
from load.tools.server_process import PROJECT
from model.reports.plots import PALETTE
from model.reports.render import fill

LOAD_JSON = "load.json"
LOAD_PAGE = "load.html"
LOAD_TABLE = "load.md"
BASELINES_JSON = "peers.json"
BASELINES_TABLE = "peers.md"
OVERLOAD_JSON = "overload.json"
OVERLOAD_TABLE = "overload.md"
FAULTS_JSON = "faults.json"
FAULTS_TABLE = "faults.md"
SOAK_JSON = "soak.json"
SOAK_TABLE = "soak.md"
PROFILE_JSON = "profile.json"
PROFILE_TABLE = "performance.md"
TEMPLATES = Path(__file__).parent / "templates"
NOTHING = "-"
SIMPLE = 1
"""Flights per request of the main part of the closed loop."""

Result = dict[str, Any]


def write_table(docs: Path, result: Result, table: str = LOAD_TABLE) -> Path:
    """Render docs/load.md or docs/peers.md; the conclusions written by hand come last.

    They are kept beside it, in ``load-conclusions.md`` for ``load.md``, so that measuring again
    replaces the figures and leaves the words alone.
    """
    path = docs / table
    conclusions = docs / f"{path.stem}-conclusions.md"
    text = conclusions.read_text() if conclusions.is_file() else ""
    path.write_text(render(f"{table}.jinja", result=result, conclusions=text.strip()))
    return path


def write_page(folder: Path, result: Result) -> Path:
    """Write load.html, whole in itself, into an existing folder."""
    path = folder / LOAD_PAGE
    page = render("load.html.jinja", result=result, palette=PALETTE, pictures=_pictures(result))
    path.write_text(page)
    return path


def render(template: str, **values: Any) -> str:
    """Fill in a template of `load/reports/templates`."""
    filters = {"whole": whole, "ms": milliseconds, "short": short}
    return fill(TEMPLATES / template, filters, **values)


def whole(value: float | None) -> str:
    """Return a count with thousands set apart: 12,345."""
    return NOTHING if value is None else f"{value:,.0f}"


def milliseconds(value: float | None) -> str:
    """Return a latency with as many digits as mean something."""
    if value is None:
        return NOTHING
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def short(value: float | None) -> str:
    """Return a ratio or a number of cores with two decimals."""
    return NOTHING if value is None else f"{value:.2f}"


def _pictures(result: Result) -> list[tuple[str, str, str]]:
    """Title, caption and SVG of each picture."""
    closed = [run for run in result["closed"] if run["flights_per_request"] == SIMPLE]
    return [
        (
            "Requests per second",
            "One flight per request; every connection asks again as soon as it has its answer.",
            plots.throughput(closed),
        ),
        (
            "Latency",
            "The same runs, as wrk gives it: with what a stop would have kept waiting added.",
            plots.latency(closed),
        ),
        (
            "Latency over time",
            "Open loop: requests arrive at random; latency counts from the time one was due.",
            plots.over_time(result["open"]),
        ),
        (
            "Processors",
            "Cores kept busy by each process, the load generator's on the same machine too.",
            plots.cores(closed),
        ),
        (
            "Batches",
            "How many flights one call of the model scored, by the number of connections.",
            plots.batches(closed),
        ),
        (
            "Batching engines",
            "Medians of interleaved rounds; the thin lines span all rounds.",
            plots.engines(result["engines"]),
        ),
    ]


def main() -> None:
    """Render again whatever has been measured."""
    for source, table in (
        (LOAD_JSON, LOAD_TABLE),
        (BASELINES_JSON, BASELINES_TABLE),
        (PROFILE_JSON, PROFILE_TABLE),
        (OVERLOAD_JSON, OVERLOAD_TABLE),
        (FAULTS_JSON, FAULTS_TABLE),
        (SOAK_JSON, SOAK_TABLE),
    ):
        path = PROJECT / "reports" / source
        if path.is_file():
            result = json.loads(path.read_text())
            write_table(PROJECT / "docs", result, table)
            if source == LOAD_JSON:
                write_page(path.parent, result)


if __name__ == "__main__":
    main()
