"""Check the history: shares against a slow computation, and no use of later outcomes."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from data.flights import Flights, IntArray, Outcomes
from features import FeatureBuilder, Level
from features.history import EVIDENCE, PRIOR, History
from features.keys import KEYS
from features.transformer import FloatMatrix
from features.two_sided.history import TwoSidedHistory

HALF_LIVES = (60.0, 10.0, 2.0)


@pytest.fixture(scope="module")
def outcomes(few: pd.DataFrame) -> Outcomes:
    """Give the outcomes of the few flights."""
    return Outcomes.from_columns(few)


@pytest.fixture(scope="module")
def history(few_flights: Flights, outcomes: Outcomes) -> History:
    """Give their history with all half-lives."""
    return History(HALF_LIVES).fit(few_flights, outcomes)


def _point_in_time(history: History, flights: Flights, as_of: IntArray) -> FloatMatrix:
    out = np.empty((len(flights), len(history.names)))
    history.point_in_time(flights, as_of, out)
    return out


def _written(history: History, flights: Flights) -> FloatMatrix:
    out = np.empty((len(flights), len(history.names)))
    history.write(flights, out)
    return out


def _changed(outcomes: Outcomes, rows: np.ndarray) -> Outcomes:
    """Invert the outcomes of some rows."""
    return replace(outcomes, delayed=outcomes.delayed ^ rows)


def test_shares_agree_with_a_slow_computation(
    history: History, few_flights: Flights, outcomes: Outcomes
) -> None:
    """Shares of airport and airline in August equal a plain sum over all earlier outcomes."""
    n = int(np.searchsorted(few_flights.day, 17400))
    day, airline = few_flights.day[n], few_flights.airline[n]
    known = outcomes.known_on(few_flights)
    weight = np.where(known < day, 2.0 ** (-(day - known) / 60.0), 0.0)
    own = weight * np.array([each == airline for each in few_flights.airline])
    airport = (weight @ outcomes.delayed + EVIDENCE[0] * PRIOR) / (weight.sum() + EVIDENCE[0])
    expected = (own @ outcomes.delayed + EVIDENCE[1] * airport) / (own.sum() + EVIDENCE[1])
    found = _point_in_time(history, few_flights.slice(n, n + 1), few_flights.day[n : n + 1])[0]
    assert found[history.names.index("airport_late_60d")] == pytest.approx(airport)
    assert found[history.names.index("airline_late_60d")] == pytest.approx(expected)


def test_serving_is_the_point_in_time_of_the_day_after(
    history: History, few_flights: Flights
) -> None:
    """Serving writes what training would write as of the day after the last flight."""
    after = np.full(len(few_flights), history.as_of_)
    again = _point_in_time(history, few_flights, after)
    np.testing.assert_allclose(_written(history, few_flights), again, atol=1e-5)


def test_a_month_later_training_and_serving_agree(few: pd.DataFrame) -> None:
    """Features of July, fitted to the end of June, equal those of training on the whole year."""
    june = few[few["scheduled_departure"] < pd.Timestamp("2017-07-01")]
    july = Flights.from_columns(few[few["scheduled_departure"].dt.month == 7])
    year, half = (
        History().fit(Flights.from_columns(each), Outcomes.from_columns(each))
        for each in (few, june)
    )
    start = np.full(len(july), half.as_of_)
    np.testing.assert_allclose(_written(half, july), _point_in_time(year, july, start), atol=1e-4)


@pytest.mark.parametrize("delay_days", [0, 20])
def test_outcomes_after_the_information_time_change_nothing(
    history: History, few_flights: Flights, outcomes: Outcomes, delay_days: int
) -> None:
    """Inverted outcomes from a day on leave every row as of an earlier day unchanged."""
    cut, as_of = 17400, few_flights.day - delay_days
    later = outcomes.known_on(few_flights) >= cut
    other = History(HALF_LIVES).fit(few_flights, _changed(outcomes, later))
    before, after = (_point_in_time(each, few_flights, as_of) for each in (history, other))
    unseen = as_of <= cut
    assert (before[unseen] == after[unseen]).all()
    assert (before[~unseen] != after[~unseen]).any(axis=1).all()


def test_a_flight_past_midnight_is_known_a_day_later(few_flights: Flights) -> None:
    """An outcome counts from the day after the one on which the flight left."""
    one = few_flights.slice(100, 101)
    left = np.array([(int(one.day[0]) + 1) * 1440 + 10])
    late = Outcomes(np.array([True]), np.array([999.0]), left)
    history = History().fit(one, late)
    assert (_point_in_time(history, one, one.day + 1) == 0).all()
    assert (_point_in_time(history, one, one.day + 2) > 0).any()


def test_without_history_all_groups_equal_the_airport(few_flights: Flights) -> None:
    """Without outcomes every group has the share of the airport."""
    assert (_written(History().fit(few_flights), few_flights) == 0).all()


def test_a_group_of_one_is_shrunken_towards_wider_ones(
    history: History, few_flights: Flights
) -> None:
    """No share reaches 0 or 1, however few flights a group has."""
    shares = _written(history, few_flights)
    assert shares.shape[1] == len(KEYS) * len(HALF_LIVES)
    assert ((shares > 0) & (shares < 1)).all()


def test_unknown_names_have_the_history_of_their_wider_group(history: History) -> None:
    """An unknown airline's share is the airport's."""
    strange = Flights(["ZZZ"], ["1"], ["ZZZZ"], [None], np.array([history.as_of_ * 1440]))
    shares = dict(zip(history.names, _written(history, strange)[0].tolist(), strict=True))
    assert shares["airline_late_60d"] == pytest.approx(shares["airport_late_60d"])


def test_a_restored_history_is_the_same(history: History, few_flights: Flights) -> None:
    """Restored from JSON, every cell is the same bit for bit."""
    restored = History.from_json(json.loads(json.dumps(history.to_json())))
    assert (_written(restored, few_flights) == _written(history, few_flights)).all()


@pytest.mark.parametrize("same_day", [False, True])
def test_two_sided_history_leaves_out_a_flights_own_outcome(
    few_flights: Flights, outcomes: Outcomes, same_day: bool
) -> None:
    """Inverting one outcome leaves its own row unchanged (by days: its whole day)."""
    n = len(few_flights) // 2
    own = np.arange(len(few_flights)) == n
    first, second = (
        TwoSidedHistory(same_day=same_day).fit(few_flights, each)
        for each in (outcomes, _changed(outcomes, own))
    )
    before, after = (_point_in_time(each, few_flights, few_flights.day) for each in (first, second))
    untouched = own if same_day else few_flights.day == few_flights.day[n]
    np.testing.assert_allclose(before[untouched], after[untouched], atol=1e-12)
    assert (before[~untouched] != after[~untouched]).any()


def test_transform_cannot_see_outcomes(few: pd.DataFrame, outcomes: Outcomes) -> None:
    """The served rows do not depend on the operated columns of the flights to score."""
    builder = FeatureBuilder(Level.FRESH).fit(few, outcomes)
    rubbish = few.assign(delayed=True, delay_minutes=999.0, actual_departure=pd.Timestamp("2017"))
    found, expected = (
        builder.transform(Flights.from_columns(each)).tobytes() for each in (rubbish, few)
    )
    assert found == expected
