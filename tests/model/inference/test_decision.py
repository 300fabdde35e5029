"""Test that the threshold follows from the costs and that bands begin at their bounds."""

from __future__ import annotations

import json
from bisect import bisect_right

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from model.inference.decision import COST_RATIO, RISK_BOUNDS, RISK_NAMES, Decision


@pytest.mark.parametrize(("cost_ratio", "threshold"), [(1, 0.5), (3, 0.25), (9, 0.1), (0.25, 0.8)])
def test_the_threshold_follows_from_the_costs(cost_ratio: float, threshold: float) -> None:
    """A more expensive miss gives a lower threshold."""
    assert Decision.from_cost_ratio(cost_ratio).threshold == pytest.approx(threshold)


def test_the_default_is_the_published_cost_ratio() -> None:
    """The default decision is that of `COST_RATIO`."""
    assert Decision() == Decision.from_cost_ratio(COST_RATIO)


@settings(derandomize=True, deadline=None)
@given(probability=st.floats(0, 1), cost_ratio=st.floats(0.01, 100))
def test_an_alarm_is_raised_where_it_costs_less(probability: float, cost_ratio: float) -> None:
    """The decision is the one with the lower expected cost."""
    silence, alarm = probability * cost_ratio, 1 - probability
    assume(abs(silence - alarm) > 1e-9)
    decision = Decision.from_cost_ratio(cost_ratio)
    assert bool(decision.delayed(np.array([probability]))[0]) == (alarm < silence)


def test_the_threshold_itself_is_delayed() -> None:
    """A flight exactly at the threshold is called delayed, one just below is not."""
    decision = Decision.from_cost_ratio(3)
    at = decision.threshold
    probability = np.array([0.0, np.nextafter(at, 0), at, np.nextafter(at, 1), 1.0])
    assert decision.delayed(probability).tolist() == [False, False, True, True, True]


def test_bands_begin_at_their_bounds() -> None:
    """A probability exactly at a bound belongs to the band above, one just below does not."""
    decision = Decision()
    bounds = np.array(RISK_BOUNDS)
    assert decision.band(bounds).tolist() == [1, 2, 3]
    assert decision.band(np.nextafter(bounds, 0)).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "decision", [Decision(), Decision(0.2, (0.1, 0.2, 0.35)), Decision(0.0), Decision(0.05)]
)
def test_intervals_give_the_decision_of_every_probability(decision: Decision) -> None:
    """A look-up in the intervals equals `delayed` and `band`, next to every bound too."""
    bounds = np.array([0.0, decision.threshold, *decision.bounds])
    near = [bounds, np.nextafter(bounds, 1), np.nextafter(bounds[bounds > 0], 0)]
    probability = np.concatenate([*near, np.linspace(0, 1, 101)])
    lower, delayed, risk = zip(*decision.intervals(), strict=True)
    at = [bisect_right(lower, each) - 1 for each in probability]
    assert [delayed[each] for each in at] == decision.delayed(probability).tolist()
    assert [RISK_NAMES.index(risk[each]) for each in at] == decision.band(probability).tolist()


def test_every_probability_has_a_named_band() -> None:
    """Bands rise from the first name to the last between 0 and 1."""
    band = Decision().band(np.linspace(0, 1, 1001))
    assert (np.diff(band) >= 0).all()
    assert [RISK_NAMES[each] for each in np.unique(band)] == list(RISK_NAMES)


def test_a_decision_publishes_where_each_band_begins() -> None:
    """The saved form gives the lower bound of every band by name, the first at 0."""
    decision = Decision(threshold=0.3, bounds=(0.15, 0.25, 0.4))
    assert decision.to_json() == {
        "threshold": 0.3,
        "risk_from": {"low": 0.0, "moderate": 0.15, "elevated": 0.25, "high": 0.4},
    }


def test_a_decision_survives_being_saved() -> None:
    """A decision that is read back from JSON is equal, in any order of keys."""
    decision = Decision.from_cost_ratio(7)
    saved = json.dumps(decision.to_json(), sort_keys=True)
    assert Decision.from_json(json.loads(saved)) == decision
