"""Weeks, their statistics, and limits from permuted weeks."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from monitor import MonitorError
from monitor.control_chart import DRIFT, QUALITY, chart, limits_of
from monitor.study.false_alarms import chart_alarms
from monitor.weekly_flights import Bins, ScoredFlights, WeekTable, first_day, monday, week_of
from tests.monitor.conftest import FIRST_WEEK, Make

BUILDER: Any = SimpleNamespace(
    feature_names=("driver", "kind"), categorical=("kind",), transformers=()
)


def _table(flights: ScoredFlights, reference: ScoredFlights) -> WeekTable:
    return WeekTable.of(flights, Bins(BUILDER, reference))


def test_weeks_begin_on_mondays() -> None:
    """2017-07-10 was a Monday, and its week ends on the 16th."""
    days = np.array([np.datetime64(f"2017-07-{n:02}").astype(np.int64) for n in (9, 10, 16, 17)])
    assert np.diff(week_of(days)).tolist() == [1, 0, 1]
    assert monday(int(week_of(days)[1])) == "2017-07-10"
    assert first_day(int(week_of(days)[1])) == days[1]


def test_every_flight_is_in_one_bin(make: Make) -> None:
    """Missing values and new categories have bins of their own, so no flight is lost."""
    seen, later = make(1), make(1, seed=1)
    later.matrix[:5, 0] = np.nan
    later.matrix[5:9, 1] = 17.0
    later.matrix[9:12, 1] = np.nan
    bins = Bins(BUILDER, seen)
    counts = np.add.reduceat(bins.count(later), bins.starts)
    assert counts.tolist() == [len(later.day)] * 3
    kind = bins.count(later)[bins.starts[1] : bins.starts[2]]
    assert kind[6] == 4  # beyond the last known category
    assert kind[7] == 3
    assert kind[[0, 2, 4]].sum() == 0  # nothing lies between the categories


def test_half_weeks_are_left_out(make: Make) -> None:
    """A week with a missing day is not judged."""
    flights = make(3)
    table = _table(flights.pick(flights.day != first_day(FIRST_WEEK + 1) + 2), flights)
    assert table.week.tolist() == [FIRST_WEEK, FIRST_WEEK + 2]


def test_unknown_outcomes_give_no_quality_figures(make: Make) -> None:
    """A week with mostly unknown outcomes has no quality figures and raises no alarm."""
    reference, later = make(12), make(2, seed=1)
    later.late[:] = np.nan
    table = _table(reference, reference)
    families = chart(table, _table(later, reference), limits_of(table))
    assert np.isnan(families[QUALITY].z).all()
    assert not families[QUALITY].alarm.any()


def test_normal_weeks_raise_few_alarms(make: Make) -> None:
    """Weeks like those of the reference raise alarms at about the stated rate."""
    reference, later = make(20), make(60, seed=1)
    table = _table(reference, reference)
    families = chart(table, _table(later, reference), limits_of(table))
    assert {name: int(np.sum(each.alarm > 0)) <= 9 for name, each in families.items()} == {
        DRIFT: True,
        QUALITY: True,
    }


@pytest.mark.parametrize(
    ("change", "alarm", "statistic"),
    [
        ({"shift": 0.6}, DRIFT, "driver"),
        ({"bias": 1.2}, QUALITY, "calibration"),
    ],
)
def test_change_is_found_and_named(
    make: Make, change: dict[str, float], alarm: str, statistic: str
) -> None:
    """Drifting inputs raise an alarm on one chart, worse outcomes on the other."""
    reference = make(16)
    table = _table(reference, reference)
    families = chart(table, _table(make(4, seed=1, **change), reference), limits_of(table))
    assert (families[alarm].alarm > 0).all()
    assert families[alarm].z[-1, families[alarm].names.index(statistic)] > families[alarm].limit


def test_guessing_model_is_found_by_auc(make: Make) -> None:
    """A model that ranks at random exceeds its limit on AUC, where low is bad."""
    reference, later = make(16), make(2, seed=1)
    mixed = np.random.default_rng(0).permutation(later.probability)
    table = _table(reference, reference)
    quality = chart(table, _table(replace(later, probability=mixed), reference), limits_of(table))[
        QUALITY
    ]
    assert (quality.z[:, quality.names.index("AUC")] > quality.limit).all()


def test_new_airline_is_found(make: Make) -> None:
    """Four flights in a hundred of an airline missing in the training raise an alarm."""
    reference, later = make(16), make(1, seed=1)
    later.unseen[::25, 0] = True
    table = _table(reference, reference)
    drift = chart(table, _table(later, reference), limits_of(table))[DRIFT]
    assert drift.names[int(np.argmax(drift.z[0]))] == "unseen airline"
    assert drift.alarm[0] > 0


def test_too_few_reference_weeks_are_refused(make: Make) -> None:
    """A short history gives no limit, and the error says how many weeks are needed."""
    reference = make(5)
    with pytest.raises(MonitorError, match=r"5 whole weeks .* limits need 8"):
        limits_of(_table(reference, reference))


def test_false_alarms_on_shuffled_weeks_are_as_stated(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weeks that differ by chance raise an alarm about once in 26 weeks."""
    monkeypatch.setattr("monitor.study.false_alarms.SHUFFLES", 30)
    flights = make(36)
    for found in chart_alarms(_table(flights, flights), 12).values():
        assert found.low <= found.rate <= found.high
        assert found.rate < 3 / 26
        assert found.weeks == 12 * 30
