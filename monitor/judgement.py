"""Judges a served model on the weeks since its fit: nothing to do, look, or refit."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from data.flights import IntArray
from model.inference.calibration import FloatArray
from monitor.control_chart import DRIFT, QUALITY, Family, Limits, chart, limits_of
from monitor.errors import MonitorError
from monitor.history import History
from monitor.shadow import LEAST_WEEKS, WINDOW_WEEKS, Gain, gain
from monitor.weekly_flights import MEASURES, Bins, Watched, WeekTable, week_of

RESAMPLES = 400


class State(IntEnum):
    """What is called for; the value is the exit code."""

    FINE = 0
    REFIT = 10
    LOOK = 11


@dataclass(frozen=True)
class Reference:
    """What is normal: the weeks before the fit, walked through as the service walks.

    Attributes
    ----------
    table
        The weeks, each scored by a model of earlier months.
    limits
        Of both families of statistics.
    """

    bins: Bins
    table: WeekTable
    limits: Limits

    @classmethod
    def of(cls, history: History, fitted_before: int) -> Reference:
        """Walk through the flights before a day, as months of earlier models.

        Raises
        ------
        MonitorError
            If they span too few weeks.
        """
        seen = history.walk_forward(fitted_before)
        bins = Bins(history.model(fitted_before).builder, seen)
        table = WeekTable.of(seen, bins)
        return cls(bins, table, limits_of(table))


@dataclass(frozen=True)
class Interval:
    """A figure of the window with its 95 % interval, by resampling days."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Finding:
    """What the watch has found.

    Attributes
    ----------
    table
        All whole weeks since the fit.
    families
        Both families of statistics of these weeks.
    gain
        What a refit would have gained in the window; nothing where too few outcomes are known.
    window
        The weeks that the gain and the intervals are of.
    intervals
        Of late share, calibration, excess log loss and AUC in the window.
    """

    state: State
    table: WeekTable
    families: dict[str, Family]
    gain: Gain | None
    window: IntArray
    intervals: dict[str, Interval]

    @property
    def drift_alarm(self) -> bool:
        """Whether the last week's inputs or scores lie outside their limit."""
        return bool(self.families[DRIFT].alarm[-1])

    @property
    def quality_week(self) -> int | None:
        """Position of the last week with outcomes."""
        known = np.flatnonzero(~np.isnan(self.table.outcomes[:, 0]))
        return int(known[-1]) if len(known) else None

    @property
    def quality_alarm(self) -> bool:
        """Whether the last week with outcomes lies outside its limit."""
        week = self.quality_week
        return week is not None and bool(self.families[QUALITY].alarm[week])


def judge(history: History, reference: Reference, watched: Watched) -> Finding:
    """Judge the weeks of `watched`, all of them since the model's fit.

    Parameters
    ----------
    history
        All flights with outcomes, up to now.
    watched
        What the model said, in the rows of `history` where an outcome is known.

    Raises
    ------
    MonitorError
        If there is no whole week.
    """
    table = WeekTable.of(watched, reference.bins)
    if not len(table.week):
        message = "no whole week, Monday to Sunday, has been scored since the fit: too early"
        raise MonitorError(message)
    families = chart(reference.table, table, reference.limits)
    window = table.week[~np.isnan(table.outcomes[:, 0])][-WINDOW_WEEKS:]
    pairs = compare(history, watched, window)
    found = gain(*pairs) if len(window) >= LEAST_WEEKS else None
    known = np.isin(watched.week, window) & ~np.isnan(watched.late)
    finding = Finding(State.FINE, table, families, found, window, _intervals(watched.pick(known)))
    if found and found.called:
        state = State.REFIT
    else:
        state = State.LOOK if finding.drift_alarm or finding.quality_alarm else State.FINE
    return Finding(state, table, families, found, window, finding.intervals)


def compare(
    history: History, watched: Watched, weeks: IntArray
) -> tuple[IntArray, FloatArray, FloatArray, FloatArray]:
    """Day, outcome, the served score and the shadow's of the flights of some weeks."""
    rows, shadow = history.shadow(weeks)
    row, served = watched.row, watched.probability
    _, ours, theirs = np.intersect1d(row[row >= 0], rows, return_indices=True)
    both = np.flatnonzero(row >= 0)[ours]
    these = row[both]
    return history.day[these], history.late[these], served[both], shadow[theirs]


def _intervals(flights: Watched) -> dict[str, Interval]:
    """Figures of the window, with whole days resampled: flights of one share their weather."""
    if not len(flights.day):
        return {}
    random = np.random.default_rng(0)
    days = [np.flatnonzero(flights.day == day) for day in np.unique(flights.day)]
    drawn = [
        np.concatenate([days[n] for n in random.integers(0, len(days), len(days))])
        for _ in range(RESAMPLES)
    ]
    found = {}
    for name, measure in MEASURES.items():
        values = [measure(flights.late[rows], flights.probability[rows]) for rows in drawn]
        low, high = np.nanquantile(values, [0.025, 0.975])
        value = measure(flights.late, flights.probability)
        found[name] = Interval(value, float(low), float(high))
    return found


def fit_week(day: int) -> int:
    """The first whole week after a fit on all flights before a day."""
    return int(week_of(np.array([day + 6]))[0])
