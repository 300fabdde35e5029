"""Write the finding as a page and as a JSON file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from model.reports.plots import PALETTE
from model.reports.render import render_template
from monitor import advice, plots
from monitor.control_chart import DRIFT, QUALITY, QUIET_WEEKS, SPLITS, population_stability
from monitor.judgement import Finding, Reference
from monitor.shadow import QUIET_WEEKS as QUIET_REFIT_WEEKS
from monitor.weekly_flights import OUTCOMES, monday

PAGE_FILE, JSON_FILE = "monitor.html", "monitor.json"
TEMPLATE = Path(__file__).parent / "templates" / "monitor.html.jinja"
DRAWN_FEATURES = 15

Json = dict[str, Any]


def summary(finding: Finding, reference: Reference, about: Mapping[str, Any]) -> Json:
    """Return the finding as plain JSON values, the action first.

    `about` has `model`, `airport`, `place`, `source`, `counts`, `notes`, `newcomers` (see
    `monitor.monitored_model`) and `refit_command`.
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
        "intervals": finding.intervals,
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
    """Return PSI and Jensen-Shannon distance of each feature in the last week.

    The largest deviation comes first; features without alarms, see `Bins.aging`, come last.
    """
    family, table = finding.families[DRIFT], finding.table
    pool = reference.table.counts.sum(axis=0, keepdims=True)
    stability = population_stability(table.counts[-1:], pool, table.starts)[0]
    limits = family.centre + family.limit * family.scale
    rows: list[Json] = [
        {
            "name": name,
            "psi": float(stability[n]),
            "js": float(family.value[-1, n]),
            "js_normal": float(family.centre[n]),
            "js_limit": None if table.aging[n] else float(limits[n]),
            "z": float(family.z[-1, n]),
            "alarm": bool(family.z[-1, n] > family.limit),
        }
        for n, name in enumerate(table.names)
    ]
    rows.sort(key=lambda row: row["js"] if row["js_limit"] is None else row["z"], reverse=True)
    return sorted(rows, key=lambda row: row["js_limit"] is None)


def write(folder: Path, found: Json, finding: Finding, reference: Reference) -> Path:
    """Write `monitor.html` and `monitor.json` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(_without_nan(found), indent=1, ensure_ascii=False, allow_nan=False)
    (folder / JSON_FILE).write_text(text + "\n", encoding="utf-8")
    pictures = _pictures(found, finding, reference)
    path = folder / PAGE_FILE
    page = render_template(TEMPLATE, found=found, palette=PALETTE, pictures=pictures)
    path.write_text(page, encoding="utf-8")
    return path


def _chart(finding: Finding, name: str) -> Json:
    """Return the last judged week of a family."""
    family = finding.families[name]
    position = finding.quality_week if name == QUALITY else len(finding.table.week) - 1
    if position is None:
        return {"week": None, "alarm": None, "limit": family.limit, "statistics": []}
    shown = range(len(family.names)) if name == QUALITY else [family.worst(position)]
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
        **dict(zip(OUTCOMES, table.outcomes[position].tolist(), strict=True)),
        "alarms": [name for name, each in finding.families.items() if each.alarm[position]],
    }


def _pictures(found: Json, finding: Finding, reference: Reference) -> list[tuple[str, str, str]]:
    """Return title, caption and SVG of each picture."""
    table, families = finding.table, finding.families
    alarms = "Largest deviation of each family as a share of its limit: above 1 is an alarm."
    pictures = [("Alarms by week", alarms, plots.alarms(table.week, families))]
    if finding.quality_week is not None:
        calibrated = "The line follows the bars if the model is calibrated."
        late_share = plots.late_share(table.week, table.outcomes)
        ranking = plots.ranking(table.week, families[QUALITY])
        pictures.append(("Predicted and late", calibrated, late_share))
        pictures.append(("Ranking of late flights", "Below the dashed line is an alarm.", ranking))
    judged = [row for row in found["features"] if row["js_limit"] is not None][:DRAWN_FEATURES]
    shares = np.array([row["z"] for row in judged]) / families[DRIFT].limit
    features = plots.features([row["name"].replace("_", " ") for row in judged], shares)
    distance = "Distance from the reference as a share of the limit: above 1 is an alarm."
    bins = slice(int(table.starts[-1]), -1)  # the last one is for missing scores
    normal, latest = reference.table.counts.sum(axis=0)[bins], table.counts[-1][bins]
    scores = plots.scores(normal / normal.sum(), latest / latest.sum())
    return [
        *pictures,
        ("Features of the last week", distance, features),
        ("Scores of the last week", "Without drift each bar is a tenth.", scores),
    ]


def _without_nan(value: Any) -> Any:
    """Replace NaN by None, because JSON has no NaN."""
    if isinstance(value, dict):
        return {key: _without_nan(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_nan(each) for each in value]
    return None if isinstance(value, float) and math.isnan(value) else value
