"""Replays a year as it unfolded and writes docs/monitoring.md: every figure of it is made here."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data.load import Dataset
from model.inference.calibration import FloatArray
from model.training.fit import TrainingConfig
from monitor import plots
from monitor.control_chart import DRIFT, QUALITY, QUIET_WEEKS
from monitor.history import History, Progress, silent
from monitor.judgement import Reference, State, fit_week
from monitor.report import render
from monitor.shadow import QUIET_WEEKS as QUIET_REFIT_WEEKS
from monitor.study import false_alarms
from monitor.study.replay import policies, refit_gains, replay
from monitor.weekly_flights import first_day, week_of

PAGE = "monitoring.md"
PICTURES = "monitoring"

Json = dict[str, Any]


def run(dataset: Dataset, fit_until: datetime, shuffles: int, progress: Progress = silent) -> Json:
    """Return all figures of the page.

    Parameters
    ----------
    fit_until
        The first model is fitted on the flights before this date.
    shuffles
        How many times the weeks before it are shuffled and models fitted on them.
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
        "wolf": _wolf(history, start, shuffles, progress),
    }


def write(docs: Path, found: Json) -> Path:
    """Write `monitoring.md` and its pictures into a folder."""
    folder = docs / PICTURES
    folder.mkdir(parents=True, exist_ok=True)
    for name, svg in _pictures(found).items():
        (folder / f"{name}.svg").write_text(plots.standalone(svg), encoding="utf-8")
    path = docs / PAGE
    page = render(
        "monitoring.md.jinja", found=found, pictures=PICTURES, DRIFT=DRIFT, QUALITY=QUALITY
    )
    path.write_text(page, encoding="utf-8")
    return path


def _wolf(history: History, start: int, shuffles: int, progress: Progress) -> Json:
    """False alarms: on shuffled weeks of the reference, and of the whole year."""
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
    calls = false_alarms.refit_calls(frame, history.recipe, shuffles, progress=progress)
    return found | {"refit": asdict(calls) if calls else None}


def whole_weeks(frame: pd.DataFrame, day: Any, before: int) -> pd.DataFrame:
    """Flights of the whole weeks that begin and end before a day, or in the week of it."""
    first, last = fit_week(int(day.min())), int(week_of(np.array([before]))[0])
    within = (day >= first_day(first)) & (day < first_day(last + 1))
    kept: pd.DataFrame = frame[within].reset_index(drop=True)
    return kept


def _pictures(found: Json) -> dict[str, str]:
    never, acting = found["never"], found["acting"]
    week = np.array([entry["week"] for entry in never])
    called = [n for n, entry in enumerate(acting) if entry["state"] == State.REFIT.name]
    outcomes = np.array([[e["late share"], e["calibration"], 0.0, e["AUC"]] for e in never])
    return {
        "refits": plots.refits(week, _above(never), _above(acting), called),
        "late_share": plots.late_share(week, outcomes),
    }


def _above(entries: list[Json]) -> FloatArray:
    """Log loss of each week above that of the shadow."""
    return np.array([entry["log_loss"] - entry["shadow_log_loss"] for entry in entries])
