"""Methods with more columns: features that were tried and are not in the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import TargetEncoder

from features.calendar import Season
from features.codes import flight_keys
from features.history import LONG_RUN, History
from features.keys import SLOT_MINUTES
from model.experiments.methods.table import Column, Method, Score, Table, Training
from model.inference.calibration import FloatArray
from model.training.fit import month_starts

Write = Callable[[Table], FloatArray]


@dataclass(frozen=True)
class WithSeason:
    """Method with day of the year and high season at a level that does not have them."""

    kind: ClassVar[str] = "with-season"

    method: Method

    def fit(self, training: Training, seed: int) -> Score:
        """Add the columns, then fit."""
        columns = tuple(Column(name, Season.key) for name in Season.names)
        return _widened(self.method, training, seed, columns, _write_season)


@dataclass(frozen=True)
class WithMonth:
    """Method with the month as a code, as in the original notebook."""

    kind: ClassVar[str] = "with-month"

    method: Method

    def fit(self, training: Training, seed: int) -> Score:
        """Add the column, then fit."""
        columns = (Column("month", "month", categorical=True),)
        return _widened(self.method, training, seed, columns, _write_month)


@dataclass(frozen=True)
class WithShares:
    """Method with the late shares of short half-lives at the schedule level."""

    kind: ClassVar[str] = "with-shares"

    method: Method
    half_lives: tuple[float, ...] = (LONG_RUN, 10.0, 2.0)

    def fit(self, training: Training, seed: int) -> Score:
        """Fit the shares on the flights to learn from, add their columns, then fit."""
        flights = training.table.flights
        history = History(self.half_lives).fit(flights, training.outcomes)
        columns = tuple(Column(name, "shares", monotone=True) for name in history.names)
        own = np.empty((len(training), len(columns)))
        history.point_in_time(flights, month_starts(flights.day), own)

        def write(table: Table) -> FloatArray:
            out = np.empty((len(table), len(columns)))
            history.write(table.flights, out)
            return out

        return _widened(self.method, training, seed, columns, write, own)


@dataclass(frozen=True)
class TargetEncoded:
    """Method with smoothed late shares of scikit-learn's target encoder, which ignores time.

    The shares of a training flight come from folds without it.
    """

    kind: ClassVar[str] = "target-encoded"

    method: Method
    folds: int = 5

    def fit(self, training: Training, seed: int) -> Score:
        """Encode within folds, add the columns, then fit."""
        folds = StratifiedKFold(self.folds, shuffle=True, random_state=seed)
        encoder = TargetEncoder(target_type="binary", cv=folds)
        own = encoder.fit_transform(_groups(training.table), training.late.astype(int))
        columns = tuple(Column(f"{name}_encoded", "encoded", monotone=True) for name in _GROUPS)

        def write(table: Table) -> FloatArray:
            found: FloatArray = encoder.transform(_groups(table))
            return found

        return _widened(self.method, training, seed, columns, write, own)


_GROUPS = ("airline", "destination", "hours", "airline_hours", "airline_destination", "flight")


def _groups(table: Table) -> npt.NDArray[np.object_]:
    flights = table.flights
    hours = [str(slot) for slot in (flights.minute // SLOT_MINUTES).tolist()]
    airline, destination = list(flights.airline), list(flights.destination)
    pairs = [f"{a} {h}" for a, h in zip(airline, hours, strict=True)]
    routes = [f"{a} {d}" for a, d in zip(airline, destination, strict=True)]
    columns = [airline, destination, hours, pairs, routes, flight_keys(flights)]
    return np.array(columns, dtype=object).T


def _widened(
    method: Method,
    training: Training,
    seed: int,
    columns: tuple[Column, ...],
    write: Write,
    own: FloatArray | None = None,
) -> Score:
    """Fit with more columns: `own` for the training flights, or those that `write` returns."""
    more = write(training.table) if own is None else own
    score = method.fit(training.on(training.table.beside(columns, more)), seed)

    def widened(table: Table) -> FloatArray:
        return score(table.beside(columns, write(table)))

    return widened


def _write_season(table: Table) -> FloatArray:
    out = np.empty((len(table), len(Season.names)))
    Season().write(table.flights, out)
    return out


def _write_month(table: Table) -> FloatArray:
    month: FloatArray = table.schedule["scheduled_departure"].dt.month.to_numpy(dtype=float)
    return month[:, None] - 1.0
