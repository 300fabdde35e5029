"""Replay a past year: the findings of each week, and the gain of following them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from data.flights import IntArray
from model.evaluation.metrics import flight_log_loss
from model.inference.calibration import FloatArray, sigmoid
from monitor.control_chart import DRIFT, QUALITY
from monitor.history import History
from monitor.judgement import Finding, Reference, State, judge
from monitor.shadow import WINDOW_WEEKS, gain
from monitor.weekly_flights import MEASURES, auc, first_day, monday, week_of

Json = dict[str, Any]


def replay(history: History, fitted_before: int, *, act: bool) -> tuple[list[Json], FloatArray]:
    """Judge every whole week after a fit, with only the outcomes known at its end.

    Parameters
    ----------
    act
        Whether a call for a refit is followed, on the next Monday.

    Returns
    -------
    One entry per week, and the served score of each flight of `history`, NaN before the fit.
    """
    served = np.full(len(history.day), np.nan)
    reference = Reference.of(history, fitted_before)
    entries = []
    for week in _whole_weeks(history, fitted_before):
        until = first_day(week + 1)
        rows = np.flatnonzero((history.day >= fitted_before) & (history.day < until))
        scored = history.scored(history.model(fitted_before), rows)
        latest = scored.week == week
        served[rows[latest]] = scored.probability[latest]
        entry = _entry(week, judge(history, reference, scored), history, fitted_before)
        entries.append(entry)
        if act and entry["state"] == State.REFIT.name:
            fitted_before = until
            reference = Reference.of(history, until)
    return entries, served


def policies(history: History, fitted_before: int, on_call: FloatArray, calls: int) -> list[Json]:
    """Return log loss and AUC of refitting never, when called, every month and every week."""
    weeks = np.array(_whole_weeks(history, fitted_before))
    rows = np.flatnonzero(np.isin(week_of(history.day), weeks))
    months = history.day[rows].astype("datetime64[D]").astype("datetime64[M]")
    starts = months.astype("datetime64[D]").astype(np.int64)
    mondays = first_day(week_of(history.day[rows]))
    never = np.full(len(rows), fitted_before)
    kinds = {
        "never": (_scores(history, rows, never), 0),
        "when called": (on_call[rows], calls),
        "every month": (_scores(history, rows, np.maximum(starts, fitted_before)), None),
        "every week": (_scores(history, rows, mondays), None),
    }
    fits = {"every month": len(np.unique(starts)) - 1, "every week": len(weeks) - 1}
    constant = kinds["never"][0]
    return [
        _policy(history, rows, name, probability, constant) | {"refits": fits.get(name, done)}
        for name, (probability, done) in kinds.items()
    ]


def refit_gains(history: History, entries: list[Json], last: int) -> list[Json]:
    """Return the gain of each refit over the model before it, on later weeks."""
    found = []
    called = [entry for entry in entries if entry["state"] == State.REFIT.name]
    for entry in called:
        after = entry["week"] + 1
        spans = {"next 4 weeks": min(after + WINDOW_WEEKS, last + 1), "to the end": last + 1}
        for name, stop in spans.items():
            rows = np.flatnonzero((week_of(history.day) >= after) & (week_of(history.day) < stop))
            if len(rows):
                found.append({"monday": monday(after), "span": name} | _gain(history, rows, entry))
    return found


def _gain(history: History, rows: IntArray, entry: Json) -> Json:
    before, after = (
        _scores(history, rows, np.full(len(rows), day))
        for day in (entry["fitted_before"], first_day(entry["week"] + 1))
    )
    late = history.late[rows]
    found = gain(history.day[rows], late, before, after, test=False)
    losses = (float(flight_log_loss(late.astype(bool), p).mean()) for p in (before, after))
    return dict(zip(("before", "after"), losses, strict=True)) | asdict(found)


def _entry(week: int, finding: Finding, history: History, fitted_before: int) -> Json:
    rows, shadow = history.shadow(np.array([week]))
    late = history.late[rows].astype(bool)
    found = {
        "week": week,
        "monday": monday(week),
        "fitted_before": fitted_before,
        "fitted_on": str(np.datetime64(fitted_before, "D")),
        "state": finding.state.name,
        "flights": int(finding.table.flights[-1]),
        "gain": asdict(finding.gain) if finding.gain else None,
        "shadow_log_loss": float(flight_log_loss(late, shadow).mean()),
        **dict(zip(MEASURES, finding.table.outcomes[-1].tolist(), strict=True)),
    }
    probability = _scores(history, rows, np.full(len(rows), fitted_before))
    found["log_loss"] = float(flight_log_loss(late, probability).mean())
    for name in (DRIFT, QUALITY):
        family = finding.families[name]
        worst = family.worst(-1)
        found[name] = {
            "alarm": bool(family.alarm[-1]),
            "limit": family.limit,
            "worst": family.names[worst],
            "z": float(family.z[-1, worst]),
            "value": float(family.value[-1, worst]),
        }
    return found


def _policy(
    history: History, rows: IntArray, name: str, probability: FloatArray, never: FloatArray
) -> Json:
    late, day = history.late[rows], history.day[rows]
    found = gain(day, late, never, probability, test=False)
    return {
        "policy": name,
        "log_loss": float(flight_log_loss(late.astype(bool), probability).mean()),
        "auc": auc(late, probability),
        "gain": found.gain,
        "low": found.low,
        "high": found.high,
        "flights": len(rows),
    }


def _scores(history: History, rows: IntArray, before: IntArray) -> FloatArray:
    """Score each row with the model fitted before the day that `before` gives for it."""
    probability = np.empty(len(rows))
    for day in np.unique(before).tolist():
        these = before == day
        flights = history.flights.pick(rows[these])
        probability[these] = sigmoid(history.model(day).raw_scores(flights))
    return probability


def _whole_weeks(history: History, fitted_before: int) -> list[int]:
    first, last = first_week(fitted_before), int(week_of(history.day.max() + 1)) - 1
    return list(range(first, last + 1))


def first_week(day: int) -> int:
    """Return the first whole week after a fit on all flights before a day."""
    return int(week_of(np.array([day + 6]))[0])
