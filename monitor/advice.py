"""The watch's finding in words: what to do first, then why."""

from __future__ import annotations

import numpy as np

from monitor.chart import DRIFT, QUALITY, Family
from monitor.shadow import LEAST_WEEKS, Gain
from monitor.watch import Finding, State
from monitor.weeks import OUTCOMES, UNSEEN, monday

REFIT_COMMAND = "python -m monitor --refit"

PERCENT = {*OUTCOMES[:2], *UNSEEN}
"""Statistics that are shares; the others are plain numbers."""


def headline(finding: Finding) -> str:
    """What to do, in one sentence."""
    if finding.state is State.REFIT:
        return f"Refit the model: {REFIT_COMMAND} trains a challenger and puts it before the gate."
    if finding.state is State.FINE:
        return "Nothing to do: the model does what it was registered for."
    if finding.drift_alarm and not finding.quality_alarm:
        return "Look at what is asked of the model; do not refit yet."
    known = (
        "a refit has not been shown to help"
        if finding.gain
        else "too early for a refit to be judged"
    )
    return f"Look at what happened at the airport; {known}."


def reasons(finding: Finding) -> list[str]:
    """Why, in a few sentences: the refit question first, then both charts."""
    week = finding.quality_week
    said = [_gain(finding.gain, len(finding.window))]
    if week is not None:
        said.append(_chart(finding, QUALITY, week))
    said.append(_chart(finding, DRIFT, len(finding.table.week) - 1))
    return said


def _gain(found: Gain | None, weeks: int) -> str:
    if found is None:
        return (
            f"Whether a refit would help is not known yet: outcomes of {weeks} whole weeks are "
            f"known, {LEAST_WEEKS} are needed."
        )
    verdict = "would have lost" if found.gain > 0 else "would have gained nothing: it lost"
    how = "less" if found.gain > 0 else "more"
    return (
        f"Over the last {found.weeks} weeks a model refitted every Monday {verdict} "
        f"{abs(found.gain):.4f} {how} log loss per flight (95 % interval of the gain "
        f"{found.low:+.4f} to {found.high:+.4f}, p = {found.p_value:.3f})."
    )


def _chart(finding: Finding, name: str, week: int) -> str:
    family = finding.families[name]
    worst = worst_of(family, week)
    when = monday(int(finding.table.week[week]))
    figure, normal = (
        written(family.names[worst], value)
        for value in (family.value[week, worst], family.centre[worst])
    )
    fact = (
        f"{family.names[worst]} {figure}, normally {normal} "
        f"({family.z[week, worst]:.1f} standard deviations, limit {family.limit:.1f})"
    )
    if family.alarm[week]:
        return f"Alarm on {name} in the week of {when}: {fact}.{_hint(family.names[worst])}"
    return f"Quiet on {name} in the week of {when}; furthest off was {fact}."


def worst_of(family: Family, week: int) -> int:
    """Position of the statistic that lies furthest outside in a week."""
    z = family.z[week]
    return max(
        np.flatnonzero(~np.isnan(z)).tolist(),
        key=lambda n: float(z[n]),
        default=0,
    )


def written(name: str, value: float) -> str:
    """Return a statistic as people read it."""
    if name == "calibration":
        return f"{100 * value:+.1f} points"
    return f"{100 * value:.1f} %" if name in PERCENT else f"{value:.3f}"


def _hint(name: str) -> str:
    """What to look at first."""
    hints = {
        "unseen airline": " The airline has no history: scores lean on the rest of the flight.",
        "unseen destination": " The destination has no history: scores lean on the rest.",
        "calibration": " More flights were late than said where it is positive: strike, storm?",
        "late share": " Check the airport's operation: strike, storm, runway works?",
    }
    return hints.get(name, "")
