"""Judge a served model on the weeks since its fit: nothing to do, investigate, or refit."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Self

import numpy as np

from data.flights import IntArray
from monitor import MonitorError
from monitor.control_chart import DRIFT, QUALITY, Family, Limits, chart, limits_of
from monitor.history import History
from monitor.shadow import LEAST_WEEKS, WINDOW_WEEKS, Gain, gain
from monitor.weekly_flights import MEASURES, Bins, ScoredFlights, WeekTable

RESAMPLES = 400


class State(IntEnum):
    """Result of the judgement; the value is the exit code."""

    FINE = 0
    REFIT = 10
    INVESTIGATE = 11


@dataclass(frozen=True)
class Reference:
    """Normal weeks: those before the fit, each scored by a model of earlier months."""

    bins: Bins
    table: WeekTable
    limits: Limits

    @classmethod
    def of(cls, history: History, fitted_before: int) -> Self:
        """Score the flights before a day; too few weeks raise a `MonitorError`."""
        seen = history.walk_forward(fitted_before)
        bins = Bins(history.model(fitted_before).builder, seen)
        table = WeekTable.of(seen, bins)
        return cls(bins, table, limits_of(table))


@dataclass(frozen=True)
class Finding:
    """Result of monitoring a model.

    Attributes
    ----------
    table, families
        All whole weeks since the fit, and both families of their statistics.
    gain
        Gain of a refit in the window; None where too few outcomes are known.
    window, intervals
        Weeks of the gain, and value, low and high of each of `MEASURES` in them (95 % by days).
    """

    table: WeekTable
    families: dict[str, Family]
    gain: Gain | None
    window: IntArray
    intervals: dict[str, dict[str, float]]

    @property
    def state(self) -> State:
        """Return what the finding calls for: a refit, an investigation or nothing."""
        if self.gain and self.gain.called:
            return State.REFIT
        return State.INVESTIGATE if self.drift_alarm or self.quality_alarm else State.FINE

    @property
    def drift_alarm(self) -> bool:
        """Return whether the last week's inputs or scores exceed their limit."""
        return bool(self.families[DRIFT].alarm[-1])

    @property
    def quality_week(self) -> int | None:
        """Return the position of the last week with outcomes."""
        known = np.flatnonzero(~np.isnan(self.table.outcomes[:, 0]))
        return int(known[-1]) if len(known) else None

    @property
    def quality_alarm(self) -> bool:
        """Return whether the last week with outcomes exceeds its limit."""
        week = self.quality_week
        return week is not None and bool(self.families[QUALITY].alarm[week])


def judge(history: History, reference: Reference, flights: ScoredFlights) -> Finding:
    """Judge all weeks of a model's scored flights since its fit.

    Parameters
    ----------
    history
        All flights with outcomes so far; `flights.row` are positions in it.

    Raises
    ------
    MonitorError
        If there is no whole week.
    """
    table = WeekTable.of(flights, reference.bins)
    if not len(table.week):
        message = "no whole week, Monday to Sunday, has been scored since the fit: too early"
        raise MonitorError(message)
    window = table.week[~np.isnan(table.outcomes[:, 0])][-WINDOW_WEEKS:]
    found = _compare(history, flights, window) if len(window) >= LEAST_WEEKS else None
    known = np.isin(flights.week, window) & ~np.isnan(flights.late)
    families = chart(reference.table, table, reference.limits)
    return Finding(table, families, found, window, _intervals(flights.pick(known)))


def _compare(history: History, flights: ScoredFlights, weeks: IntArray) -> Gain:
    """Compare the served scores of some weeks with those of the shadow model."""
    rows, shadow = history.shadow(weeks)
    known = flights.pick(flights.row >= 0)
    these, served, theirs = np.intersect1d(known.row, rows, return_indices=True)
    return gain(history.day[these], history.late[these], known.probability[served], shadow[theirs])


def _intervals(flights: ScoredFlights) -> dict[str, dict[str, float]]:
    """Resample whole days, because the flights of a day share their weather."""
    if not len(flights.day):
        return {}
    random = np.random.default_rng(0)
    days = [np.flatnonzero(flights.day == day) for day in np.unique(flights.day)]
    drawn: list[IntArray] = [
        np.concatenate([days[n] for n in random.integers(0, len(days), len(days))])
        for _ in range(RESAMPLES)
    ]
    found = {}
    for name, measure in MEASURES.items():
        values = [measure(flights.late[rows], flights.probability[rows]) for rows in drawn]
        low, high = np.nanquantile(values, [0.025, 0.975])
        value = measure(flights.late, flights.probability)
        found[name] = {"value": value, "low": float(low), "high": float(high)}
    return found
