"""The judgement, its page and its JSON file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from model.inference.calibration import FloatArray
from monitor import advice, report
from monitor.control_chart import limits_of
from monitor.judgement import Finding, Reference, State, judge
from monitor.weekly_flights import Bins, ScoredFlights, WeekTable, week_of
from tests.monitor.conftest import Make

COMMAND = "python -m monitor --name newark_delay --refit"
ABOUT: dict[str, Any] = {
    "model": "m:1",
    "airport": "KEWR",
    "place": "Newark",
    "source": "s",
    "counts": {},
    "notes": [],
    "newcomers": {},
    "refit_command": COMMAND,
}
BUILDER: Any = SimpleNamespace(
    feature_names=("driver", "kind"), categorical=("kind",), transformers=()
)


def _judge(make: Make, later: ScoredFlights, shadow: FloatArray) -> tuple[Finding, Reference]:
    """Judge weeks against twelve normal ones, with the given scores of a shadow."""
    seen = make(12)
    bins = Bins(BUILDER, seen)
    table = WeekTable.of(seen, bins)
    reference = Reference(bins, table, limits_of(table))

    def of_weeks(weeks: Any) -> tuple[Any, Any]:
        rows = np.flatnonzero(np.isin(week_of(later.day), weeks))
        return rows, shadow[rows]

    history: Any = SimpleNamespace(day=later.day, late=later.late, shadow=of_weeks)
    return judge(history, reference, later), reference


def test_normal_weeks_need_no_action(make: Make) -> None:
    """An unchanged model and a shadow that is no better give exit code 0."""
    later = make(4, seed=4)
    finding, _ = _judge(make, later, later.probability)
    assert finding.state is State.FINE
    assert [step["say"][:9] for step in advice.steps(finding, COMMAND, {})] == ["Run the m"]


def test_bad_week_calls_for_an_investigation_and_no_refit(make: Make) -> None:
    """An alarm with a shadow that is no better gives exit code 11."""
    later = make(4, seed=1, bias=1.5)
    finding, _ = _judge(make, later, later.probability)
    assert (finding.state, int(finding.state)) == (State.INVESTIGATE, 11)
    assert finding.quality_alarm
    steps = [step["say"] for step in advice.steps(finding, COMMAND, {})]
    assert "Ask the airport" in steps[0]
    assert "too low" in steps[1]
    assert not any(step["run"] for step in advice.steps(finding, COMMAND, {}))


def test_better_shadow_calls_for_a_refit(make: Make, tmp_path: Path) -> None:
    """A better shadow gives exit code 10, and the page begins with the refit."""
    later = make(4, seed=1)
    mixed = np.random.default_rng(0).permutation(later.probability)
    finding, reference = _judge(make, replace(later, probability=mixed), later.probability)
    assert (finding.state, int(finding.state)) == (State.REFIT, 10)
    found = report.summary(finding, reference, ABOUT | {"notes": ["a <note>"]})
    page = report.write(tmp_path, found, finding, reference).read_text()
    assert "<title>KEWR: Refit the model" in page
    assert "departures from Newark (KEWR)" in page
    assert page.index("Refit the model") < page.index(COMMAND) < page.index("<h2>Why</h2>")
    assert "a &lt;note&gt;" in page
    read = json.loads((tmp_path / report.JSON_FILE).read_text())
    assert next(iter(read)) == "action"
    assert (read["exit_code"], read["refit"]["called"]) == (10, True)
    assert len(read["weeks"]) == 4


def test_without_outcomes_inputs_are_still_judged(make: Make, tmp_path: Path) -> None:
    """Without outcomes drift alone is judged, and the page says what is missing."""
    later = make(2, seed=1, shift=1.0)
    later.late[:] = np.nan
    finding, reference = _judge(make, later, later.probability)
    assert finding.state is State.INVESTIGATE
    assert finding.gain is None
    assert advice.steps(finding, COMMAND, {})[0]["say"].startswith("Compare driver with")
    say = advice.steps(finding, COMMAND, {"airline": {"ZZZ": 3}, "destination": {}})[0]["say"]
    assert say.startswith("Never seen in training: airline ZZZ (3 flights). If a code is wrong")
    found = report.summary(finding, reference, ABOUT)
    assert "not known yet" in found["reasons"][0]
    assert report.write(tmp_path, found, finding, reference).is_file()
    assert "NaN" not in (tmp_path / report.JSON_FILE).read_text()


@pytest.mark.parametrize("state", list(State))
def test_exit_codes_differ_from_ordinary_failures(state: State) -> None:
    """A scheduler can distinguish them from 1 (Python) and 2 (nothing could be judged)."""
    assert int(state) not in {1, 2}
