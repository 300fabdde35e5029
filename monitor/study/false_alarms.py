"""How often the watch cries wolf: the same procedure on weeks in shuffled order.

In shuffled order nothing can grow stale and nothing drifts: every alarm is a false one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.flights import Flights, IntArray
from model.inference.calibration import FloatArray, sigmoid
from model.training.fit import TrainingConfig
from monitor.control_chart import DRIFT, QUALITY, chart, limits_of, pick
from monitor.history import Progress, fit_schedule, silent
from monitor.shadow import WINDOW_WEEKS, gain
from monitor.weekly_flights import WeekTable, first_day, week_of

SHUFFLES = 100
INNER_SPLITS = 60
RESAMPLES = 2000


@dataclass(frozen=True)
class Wolf:
    """A false alarm rate.

    Attributes
    ----------
    rate, low, high
        False alarms per judged week, and the 95 % interval by resampling shuffles.
    weeks, shuffles
        How many were judged in all, in how many shuffles.
    """

    rate: float
    low: float
    high: float
    weeks: int
    shuffles: int


def chart_alarms(table: WeekTable, watched: int, seed: int = 0) -> dict[str, Wolf]:
    """False alarms of both charts, on random weeks of a table against the others.

    Limits are set from the other weeks alone, as the watch sets them.

    Parameters
    ----------
    watched
        Weeks that each shuffle holds out and judges.
    """
    random = np.random.default_rng(seed)
    alarms: dict[str, list[float]] = {DRIFT: [], QUALITY: []}
    for shuffle in range(SHUFFLES):
        order = random.permutation(len(table.week))
        reference, held_out = pick(table, order[watched:]), pick(table, order[:watched])
        families = chart(reference, held_out, limits_of(reference, INNER_SPLITS, shuffle))
        for name, family in families.items():
            alarms[name].append(float(np.sum(family.alarm > 0)))
    return {name: _wolf(np.array(found), watched, seed) for name, found in alarms.items()}


def refit_calls(
    frame: pd.DataFrame,
    recipe: TrainingConfig,
    shuffles: int,
    seed: int = 0,
    progress: Progress = silent,
) -> Wolf | None:
    """False calls for a refit, with models that are really fitted on shuffled weeks.

    The first half of the shuffled weeks fits the served model; each later week is scored by it
    and by a shadow that is fitted on as many weeks just before it. The shadow has no more flights
    than the served model, because more flights would be a true gain. Nothing is returned where
    there are no shuffles.
    """
    calls, windows = [], 0
    for shuffle in range(shuffles):
        progress(f"shuffle {shuffle + 1} of {shuffles}")
        mixed = shuffled_weeks(frame, np.random.default_rng([seed, shuffle]))
        found = _calls(mixed, recipe)
        calls.append(float(sum(found)))
        windows = len(found)
    return _wolf(np.array(calls), windows, seed) if calls else None


def shuffled_weeks(frame: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """The same flights with whole weeks in random order: weekdays and times stay as they were."""
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


def _calls(frame: pd.DataFrame, recipe: TrainingConfig) -> list[bool]:
    flights = Flights.from_columns(frame)
    late = frame["delayed"].to_numpy(dtype=np.float64)
    weeks = np.unique(week_of(flights.day))
    half = len(weeks) // 2

    def score(train: IntArray, rows: IntArray) -> FloatArray:
        within = (flights.day >= first_day(train[0])) & (flights.day < first_day(train[-1] + 1))
        return sigmoid(fit_schedule(frame[within], recipe).raw_scores(flights.pick(rows)))

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


def _wolf(alarms: FloatArray, weeks: int, seed: int) -> Wolf:
    random = np.random.default_rng(seed)
    means = alarms[random.integers(0, len(alarms), (RESAMPLES, len(alarms)))].mean(axis=1) / weeks
    low, high = np.quantile(means, [0.025, 0.975])
    rate = float(alarms.mean() / weeks)
    return Wolf(rate, float(low), float(high), weeks * len(alarms), len(alarms))
