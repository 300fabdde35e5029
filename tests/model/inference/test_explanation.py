"""Explanations: they add up, keep the signs of the log-odds, and name what people know."""

from __future__ import annotations

import numpy as np
import pytest

from data.flights import Flights
from model.inference import GROUPS
from model.inference.explanation import Explainer
from model.inference.predictor import Predictor


@pytest.fixture(scope="module")
def flights(few_flights: Flights) -> Flights:
    """Give 90 flights, every third without a state of the airport."""
    states = np.tile([9.0, 0.5, 30.0] * 4, (90, 1))
    states[::3] = np.nan
    return few_flights.slice(0, 90).seen(states)


def test_changes_add_up_to_the_difference_from_the_base(
    predictor: Predictor, flights: Flights
) -> None:
    """Base and changes sum to the probability that the same flight is given."""
    explained = Explainer(predictor).explain(flights)
    total = [each.base + sum(change for _, change in each.changes) for each in explained]
    np.testing.assert_allclose(total, predictor.score(flights), atol=1e-12)


def test_changes_are_ordered_and_named_once(predictor: Predictor, flights: Flights) -> None:
    """The strongest comes first; each group stands at most once."""
    for each in Explainer(predictor).explain(flights):
        sizes = [abs(change) for _, change in each.changes]
        names = [name for name, _ in each.changes]
        assert sizes == sorted(sizes, reverse=True)
        assert len(set(names)) == len(names)
        assert set(names) <= set(GROUPS)


def test_only_flights_that_know_the_airport_are_explained_by_it(
    predictor: Predictor, flights: Flights
) -> None:
    """Without a state, the airport now has no part in the score."""
    explained = Explainer(predictor).explain(flights)
    named = [any(name == "airport now" for name, _ in each.changes) for each in explained]
    assert named == (np.arange(90) % 3 != 0).tolist()


def test_a_flight_alone_is_explained_as_among_others(
    predictor: Predictor, flights: Flights
) -> None:
    """The batch does not matter."""
    explainer = Explainer(predictor)
    together = explainer.explain(flights.slice(0, 9))
    alone = [explainer.explain(flights.slice(n, n + 1))[0] for n in range(9)]
    for one, other in zip(alone, together, strict=True):
        assert dict(one.changes) == pytest.approx(dict(other.changes))
        assert one.base == other.base


def test_no_flight_has_no_explanation(predictor: Predictor, flights: Flights) -> None:
    """An empty batch is explained by nothing."""
    assert Explainer(predictor).explain(flights.slice(0, 0)) == []
