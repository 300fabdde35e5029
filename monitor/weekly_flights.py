"""Scored flights, sorted into weeks: counts of every feature, and what the outcomes say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
"""Bins of equal mass in the reference, per feature of quantities."""
DAYS = 7
_MONDAY = 3
"""1970-01-01 was a Thursday: with these days more, weeks begin on Mondays."""

UNSEEN = ("unseen airline", "unseen destination")
OUTCOMES = ("late share", "calibration", "excess log loss", "AUC")

BoolMatrix = npt.NDArray[np.bool_]
T = TypeVar("T", int, IntArray)
Measure = Callable[[FloatArray, FloatArray], float]


@dataclass(frozen=True)
class Watched:
    """`n` scored flights.

    Attributes
    ----------
    day
        Scheduled, days since 1970-01-01, shape ``(n,)``.
    matrix
        Features as the score was made from, shape ``(n, features)``.
    probability
        What was answered, shape ``(n,)``.
    late
        1 late, 0 not, NaN where the outcome is not known (yet), shape ``(n,)``.
    unseen
        Whether training never saw the airline, the destination, shape ``(n, 2)``.
    row
        Position among the flights with outcomes, -1 where it has none, shape ``(n,)``.
    """

    day: IntArray
    matrix: FloatMatrix
    probability: FloatArray
    late: FloatArray
    unseen: BoolMatrix
    row: IntArray

    @classmethod
    def of(
        cls,
        builder: FeatureBuilder,
        flights: Flights,
        said: FloatArray,
        late: FloatArray,
        row: IntArray,
    ) -> Self:
        """Flights with the features that a model makes of them, and what it said."""
        unknown = builder.unknown(flights)
        unseen = [["airline" in fields, "destination" in fields] for fields in unknown]
        return cls(
            flights.day,
            builder.transform(flights),
            said,
            late,
            np.array(unseen, dtype=bool).reshape(-1, 2),
            row,
        )

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """All flights of several parts."""
        names = ("day", "matrix", "probability", "late", "unseen", "row")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    def pick(self, rows: npt.NDArray[np.bool_]) -> Self:
        """Flights where `rows` is true."""
        return type(self)(
            self.day[rows],
            self.matrix[rows],
            self.probability[rows],
            self.late[rows],
            self.unseen[rows],
            self.row[rows],
        )

    @property
    def week(self) -> IntArray:
        """Weeks since the Monday before 1970, shape ``(n,)``."""
        return week_of(self.day)


def week_of(day: IntArray) -> IntArray:
    """Number of the week, Monday to Sunday, of a day."""
    return (day + _MONDAY) // DAYS


def first_day(week: T) -> T:
    """Monday of a week, or of each of an array of weeks, days since 1970-01-01."""
    return week * DAYS - _MONDAY


def monday(week: int) -> str:
    """Monday of a week, ISO 8601."""
    return str(np.datetime64(first_day(week), "D"))


class Bins:
    """Cuts features, and the score, into bins that the reference decides.

    Quantities are cut at the reference's deciles, categories one by one; what is missing, and a
    category that the reference did not have, each have a bin of their own.

    Attributes
    ----------
    names
        Of the features, the score last.
    aging
        Which of them are known as of the fit (timetable, history): they move away from every
        reference by growing old, so they are shown but raise no alarm.
    """

    def __init__(self, builder: FeatureBuilder, seen: Watched) -> None:
        self.names = (*builder.feature_names, "score")
        aging = {
            name
            for transformer in builder.transformers
            if isinstance(transformer, HistoryTransformer)
            for name in transformer.names
        }
        self.aging = np.array([name in aging for name in self.names])
        categorical = builder.categorical
        self._edges = [
            np.unique(column[~np.isnan(column)])
            if name in categorical
            else np.unique(np.nanquantile(column, np.linspace(0, 1, BINS + 1)[1:-1]))
            if not np.isnan(column).all()
            else np.empty(0)
            for name, column in zip(self.names, _columns(seen), strict=True)
        ]
        sizes = [
            len(edges) * (1 + (n in categorical)) + 2
            for n, edges in zip(self.names, self._edges, strict=True)
        ]
        self._categorical = [name in categorical for name in self.names]
        self.starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        self.total = int(np.sum(sizes))

    def count(self, flights: Watched) -> FloatArray:
        """Flights in each bin of each feature, shape ``(total,)``."""
        counts = np.zeros(self.total)
        for column, edges, start, exact in zip(
            _columns(flights), self._edges, self.starts, self._categorical, strict=True
        ):
            place = np.searchsorted(edges, column, side="right")
            if exact:  # odd places are the categories themselves, even ones lie between them
                place = place + np.searchsorted(edges, column, side="left")
            place[np.isnan(column)] = len(edges) * (1 + exact) + 1
            counts[start : start + place.max(initial=0) + 1] += np.bincount(place)
        return counts


@dataclass(frozen=True)
class WeekTable:
    """What is known of `w` weeks.

    Attributes
    ----------
    week
        Their numbers, shape ``(w,)``.
    counts
        Flights in each bin of each feature, shape ``(w, bins)``.
    starts
        First bin of each feature, shape ``(features + 1,)``; the last is the score.
    names, aging
        As in `Bins`.
    unseen
        Share of flights of unseen airlines, destinations, shape ``(w, 2)``.
    outcomes
        `OUTCOMES` of each week, NaN where they are not known, shape ``(w, 4)``.
    flights, known
        Flights, and flights with an outcome, shape ``(w,)``.
    """

    week: IntArray
    counts: FloatMatrix
    starts: IntArray
    names: tuple[str, ...]
    aging: npt.NDArray[np.bool_]
    unseen: FloatMatrix
    outcomes: FloatMatrix
    flights: IntArray
    known: IntArray

    @classmethod
    def of(cls, flights: Watched, bins: Bins) -> Self:
        """Sort flights into weeks; weeks that lack a day are left out."""
        weeks = [w for w in np.unique(flights.week) if _whole(flights.day[flights.week == w])]
        parts = [flights.pick(flights.week == week) for week in weeks]
        return cls(
            week=np.array(weeks, dtype=np.int64),
            counts=np.array([bins.count(part) for part in parts]).reshape(-1, bins.total),
            starts=bins.starts,
            names=bins.names,
            aging=bins.aging,
            unseen=np.array([part.unseen.mean(axis=0) for part in parts]).reshape(-1, 2),
            outcomes=np.array([_outcomes(part) for part in parts]).reshape(-1, len(OUTCOMES)),
            flights=np.array([len(part.day) for part in parts], dtype=np.int64),
            known=np.array([np.sum(~np.isnan(part.late)) for part in parts], dtype=np.int64),
        )


def excess_log_loss(late: FloatArray, probability: FloatArray) -> float:
    """Log loss above what these probabilities would cost if they were true."""
    happened = flight_log_loss(late.astype(bool), probability)
    sure = flight_log_loss(np.ones(len(late), dtype=bool), probability)
    not_at_all = flight_log_loss(np.zeros(len(late), dtype=bool), probability)
    promised = probability * sure + (1 - probability) * not_at_all
    return float(np.mean(happened - promised))


def auc(late: FloatArray, probability: FloatArray) -> float:
    """ROC AUC; NaN where all flights had the same outcome."""
    both = 0 < late.sum() < len(late)
    return float(roc_auc_score(late, probability)) if both else float("nan")


def calibration(late: FloatArray, probability: FloatArray) -> float:
    """Late share above what was said on average."""
    return float(late.mean() - probability.mean())


def late_share(late: FloatArray, _probability: FloatArray) -> float:
    """Late share."""
    return float(late.mean())


MEASURES: dict[str, Measure] = dict(
    zip(OUTCOMES, (late_share, calibration, excess_log_loss, auc), strict=True)
)


def _outcomes(flights: Watched) -> list[float]:
    known = ~np.isnan(flights.late)
    if known.mean() < 0.5:  # too few to stand for the week
        return [float("nan")] * len(OUTCOMES)
    late, said = flights.late[known], flights.probability[known]
    return [measure(late, said) for measure in MEASURES.values()]


def _columns(flights: Watched) -> list[FloatArray]:
    return [*flights.matrix.T, flights.probability]


def _whole(day: IntArray) -> bool:
    return len(np.unique(day)) == DAYS
