"""Writes what the watch found: a page for people and a JSON file for machines."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from model.reports.plots import PALETTE
from model.reports.render import fill
from monitor import advice, plots
from monitor.control_chart import DRIFT, QUALITY, QUIET_WEEKS, SPLITS
from monitor.drift import population_stability
from monitor.judgement import Finding, Reference
from monitor.shadow import QUIET_WEEKS as QUIET_REFIT_WEEKS
from monitor.weekly_flights import monday

PAGE_FILE, JSON_FILE = "monitor.html", "monitor.json"
TEMPLATES = Path(__file__).parent / "templates"
DRAWN_FEATURES = 15

Json = dict[str, Any]


def summary(finding: Finding, reference: Reference, about: Mapping[str, Any]) -> Json:
    """Return all that the watch found, as plain JSON values; the action comes first.

    Parameters
    ----------
    about
        What was watched: `model`, `airport`, `place`, `source`, `counts`, `notes`; further
        `newcomers` (see `monitor.monitored_model`) and `refit_command`.
    """
    table = finding.table
    return {
        "action": advice.headline(finding),
        "steps": advice.steps(finding, about["refit_command"], about["newcomers"]),
        "state": finding.state.name.lower(),
        "exit_code": int(finding.state),
        "reasons": advice.reasons(finding),
        **about,
        "through": monday(int(table.week[-1]) + 1),
        "refit": asdict(finding.gain) | {"called": finding.gain.called} if finding.gain else None,
        "window": [monday(week) for week in finding.window.tolist()],
        "intervals": {name: asdict(each) for name, each in finding.intervals.items()},
        "charts": {name: _chart(finding, name) for name in (QUALITY, DRIFT)},
        "features": features(finding, reference),
        "weeks": [_week(finding, position) for position in range(len(table.week))],
        "false_alarms": {
            "one_per_weeks": {QUALITY: QUIET_WEEKS, DRIFT: QUIET_WEEKS, "refit": QUIET_REFIT_WEEKS},
            "reference_weeks": len(reference.table.week),
            "splits": SPLITS,
        },
    }


def features(finding: Finding, reference: Reference) -> list[Json]:
    """PSI and Jensen-Shannon distance of each feature in the last week.

    The most unusual comes first; those that raise no alarm, because they grow old, come last.
    """
    family, table = finding.families[DRIFT], finding.table
    pool = reference.table.counts.sum(axis=0, keepdims=True)
    stability = population_stability(table.counts[-1:], pool, table.starts)[0]
    rows = [
        {
            "name": name,
            "psi": float(stability[n]),
            "js": float(family.value[-1, n]),
            "js_normal": float(family.centre[n]),
            "js_limit": None if table.aging[n] else _limit(finding, n),
            "z": float(family.z[-1, n]),
            "alarm": bool(family.z[-1, n] > family.limit),
        }
        for n, name in enumerate(table.names)
    ]
    aging = [row for row in rows if row["js_limit"] is None]
    judged = [row for row in rows if row["js_limit"] is not None]
    return [
        *sorted(judged, key=itemgetter("z"), reverse=True),
        *sorted(aging, key=itemgetter("js"), reverse=True),
    ]


def write(folder: Path, found: Json, finding: Finding, reference: Reference) -> Path:
    """Write `monitor.html` and `monitor.json` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(_without_nan(found), indent=1, ensure_ascii=False, allow_nan=False)
    (folder / JSON_FILE).write_text(text + "\n", encoding="utf-8")
    page = render(
        "monitor.html.jinja", found=found, palette=PALETTE, pictures=_pictures(finding, reference)
    )
    path = folder / PAGE_FILE
    path.write_text(page, encoding="utf-8")
    return path


def render(template: str, **values: Any) -> str:
    """Fill in a template of `monitor/templates`."""
    return fill(TEMPLATES / template, **values)


def _limit(finding: Finding, n: int) -> float:
    family = finding.families[DRIFT]
    return float(family.centre[n] + family.limit * family.scale[n])


def _chart(finding: Finding, name: str) -> Json:
    """The last judged week of a family."""
    family = finding.families[name]
    position = finding.quality_week if name == QUALITY else len(finding.table.week) - 1
    if position is None:
        return {"week": None, "alarm": None, "limit": family.limit, "statistics": []}
    shown = range(len(family.names)) if name == QUALITY else [advice.worst_of(family, position)]
    return {
        "week": monday(int(finding.table.week[position])),
        "alarm": bool(family.alarm[position]),
        "limit": family.limit,
        "statistics": [
            {
                "name": family.names[n],
                "value": advice.written(family.names[n], family.value[position, n]),
                "normal": advice.written(family.names[n], family.centre[n]),
                "z": float(family.z[position, n]),
            }
            for n in shown
        ],
    }


def _week(finding: Finding, position: int) -> Json:
    table = finding.table
    return {
        "monday": monday(int(table.week[position])),
        "flights": int(table.flights[position]),
        "with_outcome": int(table.known[position]),
        **dict(
            zip(finding.families[QUALITY].names, table.outcomes[position].tolist(), strict=True)
        ),
        "alarms": [name for name, each in finding.families.items() if each.alarm[position]],
    }


def _pictures(finding: Finding, reference: Reference) -> list[tuple[str, str, str]]:
    """Title, caption and SVG of each picture."""
    table, quality = finding.table, finding.families[QUALITY]
    judged = [row for row in features(finding, reference) if row["js_limit"] is not None]
    listed = judged[:DRAWN_FEATURES]
    found = [
        (
            "Alarms by week",
            "What lies furthest off in each family, as a share of its limit: above 1 is an alarm.",
            plots.alarms(table.week, finding.families),
        ),
        (
            "Features of the last week",
            "How far each is from the reference, as a share of its limit: above 1 is an alarm.",
            plots.features(
                [row["name"].replace("_", " ") for row in listed],
                np.array([row["z"] for row in listed]) / finding.families[DRIFT].limit,
            ),
        ),
        (
            "Scores of the last week",
            "Without drift each bar is a tenth.",
            plots.scores(*_score_shares(finding, reference)),
        ),
    ]
    if finding.quality_week is None:
        return found
    outcomes = [
        (
            "Said and happened",
            "The line runs along the tops of the bars where the probabilities mean what they say.",
            plots.late_share(table.week, table.outcomes),
        ),
        (
            "Telling late from punctual",
            "Below the dashed line is an alarm.",
            plots.ranking(table.week, quality),
        ),
    ]
    return [found[0], *outcomes, *found[1:]]


def _score_shares(finding: Finding, reference: Reference) -> tuple[Any, Any]:
    start = int(finding.table.starts[-1])
    both = reference.table.counts.sum(axis=0)[start:], finding.table.counts[-1, start:]
    ours, theirs = (each[:-1] / each.sum() for each in both)  # the last bin is for missing scores
    return ours, theirs


def _without_nan(value: Any) -> Any:
    """JSON knows no NaN: what is not known is null."""
    if isinstance(value, dict):
        return {key: _without_nan(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_nan(each) for each in value]
    return None if isinstance(value, float) and math.isnan(value) else value
