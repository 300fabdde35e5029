"""Measure the false alarm rate: the same procedure on weeks in shuffled order.

In shuffled order there is no drift and no model goes stale, so every alarm is false.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.flights import Flights, IntArray
from model.inference.calibration import FloatArray, sigmoid
from model.training.fit import TrainingConfig
from monitor.control_chart import DRIFT, QUALITY, chart, limits_of
from monitor.history import Progress, fit_schedule, silent
from monitor.shadow import WINDOW_WEEKS, gain
from monitor.weekly_flights import WeekTable, first_day, week_of

SHUFFLES = 100
INNER_SPLITS = 60
RESAMPLES = 2000


@dataclass(frozen=True)
class FalseAlarmRate:
    """False alarm rate with its interval.

    Attributes
    ----------
    rate, low, high
        False alarms per judged week, and the 95 % interval by resampling shuffles.
    weeks, shuffles
        Total number of judged weeks, and of shuffles.
    """

    rate: float
    low: float
    high: float
    weeks: int
    shuffles: int


def chart_alarms(table: WeekTable, held: int, seed: int = 0) -> dict[str, FalseAlarmRate]:
    """Return the false alarm rate of both charts on `held` random weeks of a table.

    Each shuffle judges these weeks with limits from the other weeks.
    """
    random = np.random.default_rng(seed)
    alarms: dict[str, list[float]] = {DRIFT: [], QUALITY: []}
    for shuffle in range(SHUFFLES):
        order = random.permutation(len(table.week))
        reference, held_out = table.pick(order[held:]), table.pick(order[:held])
        families = chart(reference, held_out, limits_of(reference, INNER_SPLITS, shuffle))
        for name, family in families.items():
            alarms[name].append(float(np.sum(family.alarm > 0)))
    return {name: _rate(np.array(found), held, seed) for name, found in alarms.items()}


def refit_calls(
    frame: pd.DataFrame,
    config: TrainingConfig,
    shuffles: int,
    seed: int = 0,
    progress: Progress = silent,
) -> FalseAlarmRate | None:
    """Return the rate of false calls for a refit, with models fitted on shuffled weeks.

    The served model is fitted on the first half of the shuffled weeks. Each later week is scored by
    it and by a shadow fitted on as many weeks just before it, because more flights would be a true
    gain. Without shuffles the result is None.
    """
    calls, windows = [], 0
    for shuffle in range(shuffles):
        progress(f"shuffle {shuffle + 1} of {shuffles}")
        mixed = shuffled_weeks(frame, np.random.default_rng([seed, shuffle]))
        found = _calls(mixed, config)
        calls.append(float(sum(found)))
        windows = len(found)
    return _rate(np.array(calls), windows, seed) if calls else None


def shuffled_weeks(frame: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """Return the flights with whole weeks in random order; weekdays and times are kept."""
    week = week_of(Flights.from_columns(frame).day)
    present = np.unique(week)
    moved = dict(zip(present.tolist(), random.permutation(present).tolist(), strict=True))
    shift = np.array([moved[each] - each for each in week.tolist()])
    by = pd.to_timedelta(7 * shift, unit="D").astype("timedelta64[s]")
    mixed = frame.assign(
        scheduled_departure=frame["scheduled_departure"] + by,
        actual_departure=frame["actual_departure"] + by,
    )
    return mixed.sort_values("scheduled_departure", kind="stable", ignore_index=True)


def _calls(frame: pd.DataFrame, config: TrainingConfig) -> list[bool]:
    flights = Flights.from_columns(frame)
    late = frame["delayed"].to_numpy(dtype=np.float64)
    weeks = np.unique(week_of(flights.day))
    half = len(weeks) // 2

    def score(train: IntArray, rows: IntArray) -> FloatArray:
        within = (flights.day >= first_day(train[0])) & (flights.day < first_day(train[-1] + 1))
        return sigmoid(fit_schedule(frame[within], config).raw_scores(flights.pick(rows)))

    later = np.flatnonzero(flights.day >= first_day(weeks[half]))
    served = score(weeks[:half], later)
    week = week_of(flights.day[later])
    shadow = np.empty(len(later))
    for position in range(half, len(weeks)):
        rows = week == weeks[position]
        shadow[rows] = score(weeks[position - half : position], later[rows])
    found = []
    for stop in range(half + WINDOW_WEEKS, len(weeks) + 1):
        rows = np.isin(week, weeks[stop - WINDOW_WEEKS : stop])
        these = later[rows]
        found.append(gain(flights.day[these], late[these], served[rows], shadow[rows]).called)
    return found


def _rate(alarms: FloatArray, weeks: int, seed: int) -> FalseAlarmRate:
    random = np.random.default_rng(seed)
    means = alarms[random.integers(0, len(alarms), (RESAMPLES, len(alarms)))].mean(axis=1) / weeks
    low, high = np.quantile(means, [0.025, 0.975])
    rate = float(alarms.mean() / weeks)
    return FalseAlarmRate(rate, float(low), float(high), weeks * len(alarms), len(alarms))
