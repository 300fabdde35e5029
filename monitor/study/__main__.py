"""Replay a year week by week and write docs/monitoring.md: `python -m monitor.study`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from matplotlib.figure import Figure
from tqdm import tqdm

from data.flights import IntArray
from data.load import Dataset, load_flights
from model.inference.calibration import FloatArray
from model.reports.plots import PALETTE, picture, standalone
from model.reports.render import render_template
from model.training.fit import TrainingConfig
from monitor import plots
from monitor.__main__ import Data, Mapping, logger, reported_errors
from monitor.control_chart import DRIFT, QUALITY, QUIET_WEEKS
from monitor.history import History, Progress, silent
from monitor.judgement import Reference, State
from monitor.shadow import QUIET_WEEKS as QUIET_REFIT_WEEKS
from monitor.study import false_alarms
from monitor.study.replay import Json, first_week, policies, refit_gains, replay
from monitor.weekly_flights import first_day, week_of

PAGE = "monitoring.md"
PICTURES = "monitoring"


def main(
    data: Data = None,
    mapping: Mapping = None,
    fit_until: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], help="Fit on the flights before this date.")
    ] = datetime(2017, 7, 1),  # noqa: DTZ001 - a date in the airport's local time
    shuffles: Annotated[
        int, typer.Option(min=0, help="Shuffles of whole weeks with models fitted on them.")
    ] = 10,
    docs: Annotated[Path, typer.Option(help="Folder of monitoring.md.")] = Path("docs"),
) -> None:
    """Replay a year week by week, measure false alarms, and write docs/monitoring.md."""
    with reported_errors():
        found = run(load_flights(data, mapping=mapping), fit_until, shuffles, tqdm.write)
    logger.info("written: %s", write(docs, found))


def run(dataset: Dataset, fit_until: datetime, shuffles: int, progress: Progress = silent) -> Json:
    """Return all figures of the page.

    Parameters
    ----------
    fit_until
        The first model is fitted on the flights before this date.
    shuffles
        Number of shuffles of the weeks before it, with models fitted on each.
    """
    history = History(dataset.frame, TrainingConfig(home=dataset.airport_config), progress)
    start = int(np.datetime64(fit_until, "D").astype(np.int64))
    never, _ = replay(history, start, act=False)
    acting, served = replay(history, start, act=True)
    calls = sum(entry["state"] == State.REFIT.name for entry in acting)
    return {
        "origin": dataset.origin,
        "is_sample": dataset.is_sample,
        "fit_until": f"{fit_until:%Y-%m-%d}",
        "quiet_weeks": {"chart": QUIET_WEEKS, "refit": QUIET_REFIT_WEEKS},
        "never": never,
        "acting": acting,
        "policies": policies(history, start, served, calls),
        "gains": refit_gains(history, acting, never[-1]["week"]),
        "false_alarms": _false_alarms(history, start, shuffles, progress),
    }


def write(docs: Path, found: Json) -> Path:
    """Write `monitoring.md` and its pictures into a folder."""
    folder = docs / PICTURES
    folder.mkdir(parents=True, exist_ok=True)
    for name, svg in _pictures(found).items():
        (folder / f"{name}.svg").write_text(standalone(svg), encoding="utf-8")
    path, template = docs / PAGE, Path(__file__).with_name("monitoring.md.jinja")
    page = render_template(template, found=found, pictures=PICTURES, DRIFT=DRIFT, QUALITY=QUALITY)
    path.write_text(page, encoding="utf-8")
    return path


def _false_alarms(history: History, start: int, shuffles: int, progress: Progress) -> Json:
    """Return false alarm rates on shuffled weeks of the reference and of the whole year."""
    found: Json = {}
    for name, until in (("reference", start), ("year", int(history.day.max()) + 1)):
        table = Reference.of(history, until).table
        weeks = len(table.week)
        held_out = weeks // 2 if name == "year" else weeks // 3
        progress(f"shuffling {weeks} weeks of the {name}")
        alarms = false_alarms.chart_alarms(table, held_out)
        found[name] = {
            "weeks": weeks,
            "held_out": held_out,
            **{family: asdict(each) for family, each in alarms.items()},
        }
    frame = whole_weeks(history.frame, history.day, start)
    calls = false_alarms.refit_calls(frame, history.config, shuffles, progress=progress)
    return found | {"refit": asdict(calls) if calls else None}


def whole_weeks(frame: pd.DataFrame, day: Any, before: int) -> pd.DataFrame:
    """Return the flights of all whole weeks up to the week of a day."""
    first, last = first_week(int(day.min())), int(week_of(np.array([before]))[0])
    within = (day >= first_day(first)) & (day < first_day(last + 1))
    kept: pd.DataFrame = frame[within].reset_index(drop=True)
    return kept


def _pictures(found: Json) -> dict[str, str]:
    never, acting = found["never"], found["acting"]
    week = np.array([entry["week"] for entry in never])
    called = [n for n, entry in enumerate(acting) if entry["state"] == State.REFIT.name]
    outcomes = np.array([[e["late share"], e["calibration"], 0.0, e["AUC"]] for e in never])
    return {
        "refits": _refits(week, _above(never), _above(acting), called),
        "late_share": plots.late_share(week, outcomes),
    }


@picture(height=3.0)
def _refits(
    figure: Figure, week: IntArray, never: FloatArray, acting: FloatArray, called: Sequence[int]
) -> None:
    """Draw the weekly gain of a weekly refit over the model in service.

    Parameters
    ----------
    never, acting
        Gain over the first model, and over the model after the refits that were called for.
    called
        Positions of the weeks with a call for a refit.
    """
    axes = figure.add_subplot(ylabel="log loss above a weekly refit")
    axes.axhline(0.0, color=PALETTE["muted"][0], linewidth=0.8)
    lines = (("muted", never, "never refitted"), ("blue", acting, "refitted when called"))
    for colour, values, label in lines:
        at = np.arange(len(week))
        axes.plot(at, values, marker="o", color=PALETTE[colour][0], label=label)
    for number, position in enumerate(called):
        name = None if number else "refit called"
        axes.axvline(position + 0.5, color=PALETTE["red"][0], linestyle="--", label=name)
    plots.weeks_axis(axes, week)
    axes.legend(loc="upper left")


def _above(entries: list[Json]) -> FloatArray:
    """Return the log loss of each week above that of the shadow."""
    return np.array([entry["log_loss"] - entry["shadow_log_loss"] for entry in entries])


if __name__ == "__main__":
    typer.run(main)
