"""Write measurements as JSON, as a page with pictures and as the tables of docs/.

`python -m load.reports.report` renders the last measurements again, for instance after their
conclusions have been written.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from load.reports import plots
from load.tools.server_process import PROJECT
from model.reports.plots import PALETTE
from model.reports.render import render_template

LOAD_PAGE = "load.html"
LOAD_TABLE = "load.md"
BASELINES_TABLE = "peers.md"
OVERLOAD_TABLE = "overload.md"
SOAK_TABLE = "soak.md"
PROFILE_TABLE = "performance.md"
SOURCES = {
    LOAD_TABLE: "load.json",
    BASELINES_TABLE: "peers.json",
    PROFILE_TABLE: "profile.json",
    OVERLOAD_TABLE: "overload.json",
    "faults.md": "faults.json",
    SOAK_TABLE: "soak.json",
}
"""Tables of docs/, and the measurement in reports/ that each is made from."""
TEMPLATES = Path(__file__).parent / "templates"
NOTHING = "-"
SIMPLE = 1
"""Flights per request of most closed-loop runs."""

Result = dict[str, Any]


def save(result: Result, table: str, reports: Path, *, docs: bool = True) -> None:
    """Write a measurement into the folder of reports, and its table into docs/ if wanted."""
    reports.mkdir(parents=True, exist_ok=True)
    (reports / SOURCES[table]).write_text(json.dumps(result, indent=1) + "\n")
    if table == LOAD_TABLE:
        write_page(reports, result)
    if docs:
        write_table(PROJECT / "docs", result, table)


def write_table(docs: Path, result: Result, table: str = LOAD_TABLE) -> Path:
    """Render a table, followed by its conclusions.

    Conclusions are written by hand, in ``load-conclusions.md`` for ``load.md``: a new measurement
    replaces the figures and keeps the text.
    """
    path = docs / table
    conclusions = docs / f"{path.stem}-conclusions.md"
    text = conclusions.read_text() if conclusions.is_file() else ""
    path.write_text(render(f"{table}.jinja", result=result, conclusions=text.strip()))
    return path


def write_page(folder: Path, result: Result) -> Path:
    """Write load.html, which needs no other file, into an existing folder."""
    path = folder / LOAD_PAGE
    page = render("load.html.jinja", result=result, palette=PALETTE, pictures=_pictures(result))
    path.write_text(page)
    return path


def render(template: str, **values: Any) -> str:
    """Render a template of `load/reports/templates`."""
    filters = {"whole": whole, "ms": milliseconds, "short": short}
    return render_template(TEMPLATES / template, filters, **values)


def whole(value: float | None) -> str:
    """Return a count with thousands separators: 12,345."""
    return NOTHING if value is None else f"{value:,.0f}"


def milliseconds(value: float | None) -> str:
    """Return a latency with three significant digits."""
    if value is None:
        return NOTHING
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def short(value: float | None) -> str:
    """Return a ratio or a number of cores with two decimals."""
    return NOTHING if value is None else f"{value:.2f}"


def _pictures(result: Result) -> list[tuple[str, str, str]]:
    """Return title, caption and SVG of each picture."""
    closed = [run for run in result["closed"] if run["flights_per_request"] == SIMPLE]
    return [
        (
            "Requests per second",
            "One flight per request; every connection sends the next one once it has its answer.",
            plots.throughput(closed),
        ),
        (
            "Latency",
            "Same runs. wrk adds the requests that a pause of the service kept it from sending.",
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
    """Render all saved measurements again."""
    for table, source in SOURCES.items():
        path = PROJECT / "reports" / source
        if path.is_file():
            result = json.loads(path.read_text())
            write_table(PROJECT / "docs", result, table)
            if table == LOAD_TABLE:
                write_page(path.parent, result)


if __name__ == "__main__":
    main()
