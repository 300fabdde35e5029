"""Test that explanations add up, are sorted and named, and do not depend on the batch."""

from __future__ import annotations

import numpy as np
import pytest

from data.flights import Flights
from model.inference import GROUPS
from model.inference.explanation import Explainer
from model.inference.predictor import Predictor


@pytest.fixture(scope="module")
def flights(few_flights: Flights) -> Flights:
    """Return 90 flights, every third without a state of the airport."""
    states = np.tile([9.0, 0.5, 30.0] * 4, (90, 1))
    states[::3] = np.nan
    return few_flights.slice(0, 90).seen(states)


def test_changes_add_up_to_the_difference_from_the_base(
    predictor: Predictor, flights: Flights
) -> None:
    """Base and changes sum to the probability of the flight."""
    explained = Explainer(predictor).explain(flights)
    total = [each.base + sum(change for _, change in each.changes) for each in explained]
    np.testing.assert_allclose(total, predictor.score(flights), atol=1e-12)


def test_changes_are_sorted_and_named_once(predictor: Predictor, flights: Flights) -> None:
    """The largest change comes first, and each group occurs at most once."""
    for each in Explainer(predictor).explain(flights):
        sizes = [abs(change) for _, change in each.changes]
        names = [name for name, _ in each.changes]
        assert sizes == sorted(sizes, reverse=True)
        assert len(set(names)) == len(names)
        assert set(names) <= set(GROUPS)


def test_only_flights_with_a_state_are_explained_by_it(
    predictor: Predictor, flights: Flights
) -> None:
    """The group `airport now` occurs exactly for flights with a state of the airport."""
    explained = Explainer(predictor).explain(flights)
    named = [any(name == "airport now" for name, _ in each.changes) for each in explained]
    assert named == (np.arange(90) % 3 != 0).tolist()


def test_an_explanation_does_not_depend_on_the_batch(
    predictor: Predictor, flights: Flights
) -> None:
    """Flights explained one by one have the explanations of one batch."""
    explainer = Explainer(predictor)
    together = explainer.explain(flights.slice(0, 9))
    alone = [explainer.explain(flights.slice(n, n + 1))[0] for n in range(9)]
    for one, other in zip(alone, together, strict=True):
        assert dict(one.changes) == pytest.approx(dict(other.changes))
        assert one.base == other.base


def test_no_flight_has_no_explanation(predictor: Predictor, flights: Flights) -> None:
    """An empty batch gives no explanation."""
    assert Explainer(predictor).explain(flights.slice(0, 0)) == []
