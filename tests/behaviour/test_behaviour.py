"""Test properties of every model, whatever its figures: invariance and direction of effects."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from data.flights import AIRPORT_FIGURES, Flights
from model.inference.calibration import sigmoid
from model.inference.predictor import Predictor

CALM = np.array([10.0, 0.05, 2.0] * 4)


def _with_state(flights: Flights, row: np.ndarray) -> Flights:
    return flights.seen(np.tile(row, (len(flights), 1)))


def test_the_order_of_flights_changes_nothing(model: Predictor, some: Flights) -> None:
    """The order of flights changes no probability by a bit, with a state and without."""
    order = np.random.default_rng(0).permutation(len(some))
    for flights in (some, _with_state(some, CALM)):
        assert (model.score(flights.pick(order)) == model.score(flights)[order]).all()


def test_an_unknown_flight_number_is_scored(model: Predictor, some: Flights) -> None:
    """A new flight number gets a probability near that of its airline's other flights."""
    unknown = replace(some, flight_number=["99999"] * len(some))
    found, usual = model.score(unknown), model.score(some)
    assert ((found > 0) & (found < 1)).all()
    assert found.mean() == pytest.approx(usual.mean(), abs=0.1)


@pytest.mark.parametrize("position", range(1, AIRPORT_FIGURES, 3))
@pytest.mark.parametrize("more", [0.3, 0.9])
def test_more_late_flights_never_lower_the_risk(
    model: Predictor, some: Flights, position: int, more: float
) -> None:
    """A higher late share in any window lowers no probability."""
    later = CALM.copy()
    later[position] = more
    assert (model.score(_with_state(some, later)) >= model.score(_with_state(some, CALM))).all()


def test_a_late_airport_raises_the_risk(model: Predictor, some: Flights) -> None:
    """A late share of 60 % raises every probability, by more than .05 on average."""
    disrupted = np.array([10.0, 0.6, 35.0] * 4)
    rise = model.score(_with_state(some, disrupted)) - model.score(_with_state(some, CALM))
    assert (rise >= 0).all()
    assert rise.mean() > 0.05


def test_more_departures_do_not_lower_the_mean_risk(model: Predictor, some: Flights) -> None:
    """Multiplying all departure counts by 1.5 does not lower the mean probability.

    Single probabilities may fall, because the busy hours are not the late ones everywhere.
    """
    for scorer in (model.schedule, model.fresh):
        matrix = scorer.builder.transform(some)
        busier = matrix.copy()
        counts = [
            column
            for column in scorer.builder.columns_of("timetable")
            if not scorer.builder.feature_names[column].startswith("minutes_")
        ]
        busier[:, counts] *= 1.5
        calm, busy = (sigmoid(scorer.margins(each)) for each in (matrix, busier))
        assert busy.mean() >= calm.mean() - 0.002


def test_a_probability_does_not_depend_on_the_batch(model: Predictor, some: Flights) -> None:
    """The probability of a flight does not depend on the other flights of its request."""
    together = model.score(some)
    alone = [model.score(some.slice(row, row + 1))[0] for row in range(0, len(some), 29)]
    assert alone == together[::29].tolist()


def test_a_missing_flight_type_follows_from_the_destination(
    model: Predictor, some: Flights
) -> None:
    """A missing type is that of the destination: nearly all probabilities stay the same."""
    without = replace(some, flight_type=[None] * len(some))
    assert (model.score(without) == model.score(some)).mean() > 0.95


def test_a_group_with_a_worse_history_has_the_higher_risk(model: Predictor, some: Flights) -> None:
    """Raising any historical rate alone never lowers a score."""
    scorer, builder = model.schedule, model.builder
    matrix = builder.transform(some)
    before = scorer.margins(matrix)
    for name in builder.monotone:
        worse = matrix.copy()
        worse[:, builder.feature_names.index(name)] += 0.5
        assert (scorer.margins(worse) >= before).all(), name
