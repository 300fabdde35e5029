"""Write the page of experiments from `results.json` alone: tables, plots and evidence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from model.experiments.attempts.attempt import Kind
from model.experiments.attempts.catalogue import ALONE, SERVED
from model.experiments.evidence.thresholds import RULES
from model.experiments.page import plots
from model.experiments.run.folds import GROUPS
from model.experiments.run.results import Record
from model.experiments.run.summary import RESULTS_FILE
from model.reports.render import Filters, render_template

PAGE_FILE = "README.md"
TEMPLATE_FILE = "README.md.jinja"
CONCLUSIONS_FILE = "conclusions.md"
NOTHING = "-"
SCHEDULE = ("E1", "E2", "E3.schedule")
FRESH = GROUPS["E3.fresh"]


def write_page(docs: Path) -> Path:
    """Render `README.md` and its plots next to `results.json`.

    The same results give the same bytes.
    """
    results = json.loads((docs / RESULTS_FILE).read_text(encoding="utf-8"))
    pictures = plots.draw_all(results, docs)
    page = render_template(
        Path(__file__).parent / TEMPLATE_FILE,
        FILTERS,
        data=results["data"],
        chapters=list(_chapters(results)),
        protocols=SCHEDULE,
        fresh=FRESH,
        fresh_rows=[each for each in results["attempts"] if set(FRESH) & set(each["protocols"])],
        rules=RULES,
        rule_rows=list(_rule_rows(results)),
        alone=next(each for each in results["attempts"] if each["id"] == ALONE),
        evidence=results["evidence"],
        ceilings=plots.ceiling_rows(results),
        pictures=pictures,
        significant=plots.SIGNIFICANT,
        conclusions=_conclusions(docs),
    )
    path = docs / PAGE_FILE
    text = "".join(f"{line.rstrip()}\n" for line in page.splitlines())
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


def _conclusions(docs: Path) -> str:
    """Return the conclusions, a file written by hand that a new run keeps."""
    path = docs / CONCLUSIONS_FILE
    return path.read_text(encoding="utf-8").strip() if path.is_file() else ""


def _chapters(results: Record) -> Iterator[tuple[str, list[Record]]]:
    for kind in Kind:
        rows = [each for each in results["attempts"] if each["kind"] == kind]
        if rows:
            yield kind, rows


def _rule_rows(results: Record) -> Iterator[tuple[str, str, str, Record]]:
    """Yield attempt, protocol, rule and its consequences of the compared models."""
    notebook = ("notebook-logistic", "notebook-xgboost", "notebook-xgboost-balanced")
    shown = (*notebook, "weights", SERVED)
    for each in results["attempts"]:
        for protocol in ("E1", "E3.schedule"):
            if each["id"] in shown and protocol in each["protocols"]:
                for rule, found in each["protocols"][protocol]["rules"].items():
                    yield each["id"], protocol, rule, found


def figure(value: float | None, digits: int = 4) -> str:
    """Format a number for the table: .6837."""
    return NOTHING if value is None else f"{value:.{digits}f}".removeprefix("0")


def cell(protocol: Record | None, name: str) -> str:
    """Format a figure with its spread over the seeds, if there is more than one."""
    if not protocol:
        return NOTHING
    spread = f" ± {figure(protocol['spread'][name])}" if protocol["seeds"] > 1 else ""
    return figure(protocol[name]) + spread


def gap(protocol: Record | None) -> str:
    """Format the difference in log loss to the Booster alone; bold if it is significant."""
    if not protocol or not protocol["against_booster"]:
        return NOTHING
    found = protocol["against_booster"]
    text = f"{found['log_loss']:+.4f}".replace("0.", ".")
    if found["error"] and abs(found["log_loss"]) > plots.SIGNIFICANT * found["error"]:
        return f"**{text}**"
    return text


def microseconds(attempt: Record) -> str:
    """Format the microseconds per flight in a batch of 64 and in bulk, with most features."""
    found = attempt["microseconds"]
    if not found:
        return NOTHING
    each = found.get("E3.schedule") or next(iter(found.values()))
    return f"{each['batch']:.1f} / {each['bulk']:.1f}"


FILTERS: Filters = {"figure": figure, "cell": cell, "gap": gap, "micro": microseconds}
"""Filters of the template."""
