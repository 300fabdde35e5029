"""Describe a finding in words: the action first, then the reasons."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.control_chart import DRIFT, QUALITY
from monitor.judgement import Finding, State
from monitor.shadow import LEAST_GAIN, LEAST_WEEKS, QUIET_WEEKS, Gain
from monitor.weekly_flights import OUTCOMES, UNSEEN, monday

MOST_CODES = 5
"""Largest number of new airlines or destinations that are named."""
PERCENT = {*OUTCOMES[:2], *UNSEEN}
"""Statistics that are shares; the others are plain numbers."""


def headline(finding: Finding) -> str:
    """Return the action in one sentence."""
    if finding.state is State.REFIT:
        return "Refit the model: it has gone stale, and a newer one would do better."
    if finding.state is State.FINE:
        return "Nothing to do: the model performs as it did when it was registered."
    if finding.drift_alarm and not finding.quality_alarm:
        return "Investigate the requested flights; a refit is not called for."
    refit = "a refit would not do better" if finding.gain else "it is too early to judge a refit"
    return f"Investigate what happened at the airport; {refit}."


def steps(
    finding: Finding, refit: str, newcomers: Mapping[str, Mapping[str, int]]
) -> list[dict[str, str]]:
    """Return the steps to take in order: `say` describes one, `run` is its command or empty.

    Parameters
    ----------
    refit
        The command that refits.
    newcomers
        Airlines and destinations missing in the training, with their flights in the last week.
    """
    if finding.state is State.REFIT:
        return [
            _step("Train a model on all flights and submit it to the champion gate:", refit),
            _step(
                "Exit code 0: it is registered; roll it out (docs/operations.md). 3: the gate "
                "refused it, and the registered model stays; evaluation.json beside this report "
                "gives the reason."
            ),
        ]
    found = [*_about_inputs(finding, newcomers), *_about_outcomes(finding)]
    return [*found, _step("Run the monitoring again after the next whole week, Monday to Sunday.")]


def _about_inputs(
    finding: Finding, newcomers: Mapping[str, Mapping[str, int]]
) -> list[dict[str, str]]:
    if not finding.drift_alarm:
        return []
    named = []
    for name, codes in newcomers.items():
        most = list(codes.items())[:MOST_CODES]
        if most:
            named.append(f"{name} {', '.join(f'{code} ({count} flights)' for code, count in most)}")
    found = []
    if named:
        say = (
            f"Never seen in training: {'; '.join(named)}. If a code is wrong, correct the requests."
            " If it is right, no action is needed: these flights are scored by their other "
            "features, and the next refit learns the code."
        )
        found.append(_step(say))
    family = finding.families[DRIFT]
    worst = family.names[family.worst(-1)]
    if worst not in UNSEEN:
        say = (
            f"Compare {worst.replace('_', ' ')} with the published schedule. If the schedule has "
            "changed (season, timetable), no action is needed; otherwise correct the requests."
        )
        found.append(_step(say))
    return found


def _about_outcomes(finding: Finding) -> list[dict[str, str]]:
    week = finding.quality_week
    if week is None or not finding.quality_alarm:
        return []
    error = float(finding.families[QUALITY].value[week, OUTCOMES.index("calibration")])
    side, when = "low" if error > 0 else "high", monday(int(finding.table.week[week]))
    return [
        _step(f"Ask the airport what happened in the week of {when}: strike, weather, works?"),
        _step(
            f"If it is over, do nothing. Until then, treat the probabilities as too {side}: by "
            f"{abs(100 * error):.0f} points that week."
        ),
    ]


def _step(say: str, run: str = "") -> dict[str, str]:
    return {"say": say, "run": run}


def reasons(finding: Finding) -> list[str]:
    """Return the reasons in a few sentences: the refit first, then both charts."""
    week = finding.quality_week
    quality = [] if week is None else [_chart(finding, QUALITY, week)]
    drift = _chart(finding, DRIFT, len(finding.table.week) - 1)
    return [_gain(finding.gain, len(finding.window)), *quality, drift]


def _gain(found: Gain | None, weeks: int) -> str:
    if found is None:
        return (
            f"Whether a refit would help is not known yet: outcomes of {weeks} whole weeks are "
            f"known, {LEAST_WEEKS} are needed."
        )
    sign = "less" if found.gain > 0 else "more"
    rule = f"A refit is called for above {LEAST_GAIN:g} with p at most {1 / QUIET_WEEKS:.3f}"
    return (
        f"Over the last {found.weeks} weeks, a model refitted every Monday had "
        f"{abs(found.gain):.4f} {sign} log loss per flight (95 % interval of the gain "
        f"{found.low:+.4f} to {found.high:+.4f}). {rule}; here p = {found.p_value:.3f}, so it is "
        f"{'called for' if found.called else 'not called for'}."
    )


def _chart(finding: Finding, name: str, week: int) -> str:
    family = finding.families[name]
    worst = family.worst(week)
    statistic, when = family.names[worst], monday(int(finding.table.week[week]))
    fact = (
        f"{statistic.replace('_', ' ')} {written(statistic, family.value[week, worst])}, normally "
        f"{written(statistic, family.centre[worst])} ({family.z[week, worst]:.1f} standard "
        f"deviations, limit {family.limit:.1f})"
    )
    if family.alarm[week]:
        return f"Alarm on {name} in the week of {when}: {fact}."
    return f"No alarm on {name} in the week of {when}; the largest deviation is {fact}."


def written(name: str, value: float) -> str:
    """Return a statistic with its unit."""
    if name == "calibration":
        return f"{100 * value:+.1f} points"
    return f"{100 * value:.1f} %" if name in PERCENT else f"{value:.3f}"
