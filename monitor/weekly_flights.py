"""Group scored flights into weeks: feature counts per bin, and quality figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Self, TypeVar

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from data.flights import Flights, FloatMatrix, IntArray
from features.builder import FeatureBuilder
from features.transformer import HistoryTransformer
from model.evaluation.metrics import flight_log_loss
from model.inference.calibration import FloatArray

BINS = 10
"""Bins of equal mass in the reference, per numeric feature."""
DAYS = 7
_MONDAY = 3
"""Days from the first Monday before 1970-01-01, a Thursday."""
KNOWN_SHARE = 0.5
"""Share of known outcomes below which a week has no quality figures."""

UNSEEN = ("unseen airline", "unseen destination")
OUTCOMES = ("late share", "calibration", "excess log loss", "AUC")

BoolArray = npt.NDArray[np.bool_]
T = TypeVar("T", int, IntArray)


@dataclass(frozen=True)
class ScoredFlights:
    """Scored flights, one array element per flight.

    Attributes
    ----------
    day
        Scheduled day since 1970-01-01.
    matrix
        Features of the score, shape ``(n, features)``.
    probability, late
        Score, and outcome: 1 late, 0 not, NaN unknown.
    unseen
        Whether airline and destination are missing in the training, shape ``(n, 2)``.
    row
        Position among the flights with outcomes, -1 for the others.
    """

    day: IntArray
    matrix: FloatMatrix
    probability: FloatArray
    late: FloatArray
    unseen: BoolArray
    row: IntArray

    @classmethod
    def of(
        cls,
        builder: FeatureBuilder,
        flights: Flights,
        probability: FloatArray,
        late: FloatArray,
        row: IntArray,
    ) -> Self:
        """Combine flights with the features that a model computes, and its scores."""
        unknown = [["airline" in each, "destination" in each] for each in builder.unknown(flights)]
        unseen = np.array(unknown, dtype=bool).reshape(-1, 2)
        return cls(flights.day, builder.transform(flights), probability, late, unseen, row)

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """Concatenate several parts."""
        names = [field.name for field in fields(cls)]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    def pick(self, rows: BoolArray) -> Self:
        """Return the flights where `rows` is true."""
        return type(self)(*(getattr(self, field.name)[rows] for field in fields(self)))

    @property
    def week(self) -> IntArray:
        """Return the week of each flight, see `week_of`."""
        return week_of(self.day)


def week_of(day: IntArray) -> IntArray:
    """Return the number of the week, Monday to Sunday, that contains a day."""
    return (day + _MONDAY) // DAYS


def first_day(week: T) -> T:
    """Return the Monday of a week, in days since 1970-01-01."""
    return week * DAYS - _MONDAY


def monday(week: int) -> str:
    """Return the Monday of a week in ISO 8601."""
    return str(np.datetime64(first_day(week), "D"))


class Bins:
    """Bins of the features and of the score, with bounds from the reference.

    Numeric features are cut at the reference's deciles; each category is a bin. Missing values and
    new categories have bins of their own.

    Attributes
    ----------
    names
        Features, and the score at the end.
    aging
        Features whose value depends on the time since the fit (timetable, history). They drift from
        any reference, so they are shown but raise no alarm.
    """

    def __init__(self, builder: FeatureBuilder, reference: ScoredFlights) -> None:
        self.names = (*builder.feature_names, "score")
        histories = [each for each in builder.transformers if isinstance(each, HistoryTransformer)]
        aging = {name for each in histories for name in each.names}
        self.aging = np.array([name in aging for name in self.names])
        self._categorical = [name in builder.categorical for name in self.names]
        columns = zip(_columns(reference), self._categorical, strict=True)
        self._edges = [_edges(column, categorical) for column, categorical in columns]
        sizes = [
            len(edges) * (1 + categorical) + 2
            for edges, categorical in zip(self._edges, self._categorical, strict=True)
        ]
        self.starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        self.total = int(np.sum(sizes))

    def count(self, flights: ScoredFlights) -> FloatArray:
        """Return the number of flights in each bin of each feature, shape ``(total,)``."""
        counts = np.zeros(self.total)
        for column, edges, start, categorical in zip(
            _columns(flights), self._edges, self.starts, self._categorical, strict=True
        ):
            place = np.searchsorted(edges, column, side="right")
            if categorical:  # odd places are known categories, even ones lie between them
                place = place + np.searchsorted(edges, column, side="left")
            place[np.isnan(column)] = len(edges) * (1 + categorical) + 1
            counts[start : start + place.max(initial=0) + 1] += np.bincount(place)
        return counts


@dataclass(frozen=True)
class WeekTable:
    """Statistics of weeks, one row per week.

    Attributes
    ----------
    week, flights, known
        Number of the week, of its flights and of those with an outcome, shape ``(w,)``.
    counts
        Flights in each bin of each feature, shape ``(w, bins)``.
    unseen, outcomes
        `UNSEEN` shares, shape ``(w, 2)``, and `OUTCOMES`, NaN where unknown, shape ``(w, 4)``.
    starts, names, aging
        As in `Bins`.
    """

    week: IntArray
    flights: IntArray
    known: IntArray
    counts: FloatMatrix
    unseen: FloatMatrix
    outcomes: FloatMatrix
    starts: IntArray
    names: tuple[str, ...]
    aging: BoolArray

    @classmethod
    def of(cls, flights: ScoredFlights, bins: Bins) -> Self:
        """Group flights by week; weeks with a missing day are left out."""
        parts = [flights.pick(flights.week == week) for week in np.unique(flights.week)]
        parts = [part for part in parts if len(np.unique(part.day)) == DAYS]
        return cls(
            week=np.array([part.week[0] for part in parts], dtype=np.int64),
            flights=np.array([len(part.day) for part in parts], dtype=np.int64),
            known=np.array([np.sum(~np.isnan(part.late)) for part in parts], dtype=np.int64),
            counts=np.array([bins.count(part) for part in parts]).reshape(-1, bins.total),
            unseen=np.array([part.unseen.mean(axis=0) for part in parts]).reshape(-1, 2),
            outcomes=np.array([_outcomes(part) for part in parts]).reshape(-1, len(OUTCOMES)),
            starts=bins.starts,
            names=bins.names,
            aging=bins.aging,
        )

    def pick(self, rows: IntArray) -> Self:
        """Return some weeks, in the given order."""
        names = ("week", "flights", "known", "counts", "unseen", "outcomes")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})


def excess_log_loss(late: FloatArray, probability: FloatArray) -> float:
    """Return the log loss above its expectation if the probabilities were true."""
    certain = np.ones(len(late), dtype=bool)
    expected = probability * flight_log_loss(certain, probability)
    expected += (1 - probability) * flight_log_loss(~certain, probability)
    return float(np.mean(flight_log_loss(late.astype(bool), probability) - expected))


def auc(late: FloatArray, probability: FloatArray) -> float:
    """Return the ROC AUC; NaN if all flights had the same outcome."""
    both = 0 < late.sum() < len(late)
    return float(roc_auc_score(late, probability)) if both else float("nan")


MEASURES: dict[str, Callable[[FloatArray, FloatArray], float]] = {
    "late share": lambda late, _: float(late.mean()),
    "calibration": lambda late, probability: float(late.mean() - probability.mean()),
    "excess log loss": excess_log_loss,
    "AUC": auc,
}
"""Figures of `OUTCOMES`, from outcomes and probabilities; calibration is their difference."""


def _outcomes(flights: ScoredFlights) -> list[float]:
    known = ~np.isnan(flights.late)
    if known.mean() < KNOWN_SHARE:
        return [float("nan")] * len(OUTCOMES)
    late, probability = flights.late[known], flights.probability[known]
    return [measure(late, probability) for measure in MEASURES.values()]


def _columns(flights: ScoredFlights) -> list[FloatArray]:
    return [*flights.matrix.T, flights.probability]


def _edges(column: FloatArray, categorical: bool) -> FloatArray:
    known = column[~np.isnan(column)]
    if categorical or not len(known):
        return np.unique(known)
    return np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1]))
