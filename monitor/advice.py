"""The watch's finding in words: what to do first, then why."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from monitor.control_chart import DRIFT, QUALITY, Family
from monitor.judgement import Finding, State
from monitor.shadow import LEAST_GAIN, LEAST_WEEKS, QUIET_WEEKS, Gain
from monitor.weekly_flights import OUTCOMES, UNSEEN, monday

MOST_CODES = 5
"""New airlines or destinations that are told; a report is no list."""
PERCENT = {*OUTCOMES[:2], *UNSEEN}
"""Statistics that are shares; the others are plain numbers."""


def headline(finding: Finding) -> str:
    """What to do, in one sentence."""
    if finding.state is State.REFIT:
        return "Refit the model: it has grown stale, and a newer one would do better."
    if finding.state is State.FINE:
        return "Nothing to do: the model does what it was registered for."
    if finding.drift_alarm and not finding.quality_alarm:
        return "Look at the flights that are asked about; a refit is not called for."
    known = (
        "a refit would not have known better"
        if finding.gain
        else "too early for a refit to be judged"
    )
    return f"Look at what happened at the airport; {known}."


def steps(
    finding: Finding, refit: str, newcomers: Mapping[str, Mapping[str, int]]
) -> list[dict[str, str]]:
    """What to do, in order: each step says it, and names the command to run where there is one.

    Parameters
    ----------
    refit
        The command that refits.
    newcomers
        Airlines and destinations of the last week that training never saw, with their flights.
    """
    if finding.state is State.REFIT:
        return _to_refit(refit)
    found = [*_about_inputs(finding, newcomers), *_about_outcomes(finding)]
    return [*found, _step("Run the watch again after the next whole week, Monday to Sunday.")]


def _to_refit(command: str) -> list[dict[str, str]]:
    return [
        _step("Train a model on all flights and put it before the champion gate:", command),
        _step(
            "Exit code 0: it is registered; roll it over (docs/operations.md). 3: the gate refused "
            "it, and the model in place stays; evaluation.json beside this report says why."
        ),
    ]


def _about_inputs(
    finding: Finding, newcomers: Mapping[str, Mapping[str, int]]
) -> list[dict[str, str]]:
    if not finding.drift_alarm:
        return []
    told = [
        f"{name} {', '.join(f'{code} ({count} flights)' for code, count in _most(codes))}"
        for name, codes in newcomers.items()
        if codes
    ]
    found = []
    if told:
        say = (
            f"Never seen in training: {'; '.join(told)}. If a code is wrong, mend what is asked. "
            "If it is right, go on: these flights are scored by the rest that is known of them, "
            "and the next refit learns the code."
        )
        found.append(_step(say))
    family = finding.families[DRIFT]
    worst = family.names[worst_of(family, -1)]
    if worst not in UNSEEN:
        say = (
            f"Compare {worst.replace('_', ' ')} with the published schedule. If the schedule has "
            "changed (a season, a timetable), go on; if it has not, mend what is asked."
        )
        found.append(_step(say))
    return found


def _about_outcomes(finding: Finding) -> list[dict[str, str]]:
    week = finding.quality_week
    if week is None or not finding.quality_alarm:
        return []
    said = float(finding.families[QUALITY].value[week, OUTCOMES.index("calibration")])
    side, when = "low" if said > 0 else "high", monday(int(finding.table.week[week]))
    return [
        _step(f"Ask the airport what happened in the week of {when}: strike, storm, works?"),
        _step(
            f"If it is over, do nothing. Until it is, read the probabilities as too {side}: by "
            f"{abs(100 * said):.0f} points that week."
        ),
    ]


def _most(codes: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(codes.items(), key=lambda item: -item[1])[:MOST_CODES]


def _step(say: str, run: str = "") -> dict[str, str]:
    return {"say": say, "run": run}


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
        f"{found.low:+.4f} to {found.high:+.4f}). {_called(found)}"
    )


def _called(found: Gain) -> str:
    """How far the gain is from calling for a refit."""
    rule = f"more than {LEAST_GAIN:g} with p at most {1 / QUIET_WEEKS:.3f}"
    if found.called:
        return f"That is {rule} (p = {found.p_value:.3f}): it calls for a refit."
    return f"A refit is called for from {rule}; here p = {found.p_value:.3f}."


def _chart(finding: Finding, name: str, week: int) -> str:
    family = finding.families[name]
    worst = worst_of(family, week)
    when = monday(int(finding.table.week[week]))
    figure, normal = (
        written(family.names[worst], value)
        for value in (family.value[week, worst], family.centre[worst])
    )
    fact = (
        f"{family.names[worst].replace('_', ' ')} {figure}, normally {normal} "
        f"({family.z[week, worst]:.1f} standard deviations, limit {family.limit:.1f})"
    )
    if family.alarm[week]:
        return f"Alarm on {name} in the week of {when}: {fact}."
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
