"""Explain probabilities: exact contributions, summed over groups of features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.flights import Flights
from features.builder import FeatureBuilder
from model.inference import GROUPS, Group
from model.inference.calibration import Calibration, FloatArray, sigmoid
from model.inference.predictor import Predictor
from model.inference.scorer import Scorer

_BY_TRANSFORMER: dict[str, Group] = {
    "clock": "hour",
    "holidays": "holiday",
    "timetable": "congestion",
    "history": "history",
    "airport_now": "airport now",
    "route": "destination",
}
_BY_COLUMN: dict[str, Group] = {
    "airline": "airline",
    "flight_number": "airline",
    "number_series": "airline",
    "destination": "destination",
    "flight_type": "destination",
    "weekday": "weekday",
}
"""Columns whose group differs from that of their transformer."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Contributions to the probability of one flight.

    Attributes
    ----------
    base
        Probability before any feature is considered.
    changes
        Signed change in probability by group, the largest first. Together with `base` they add up
        to the flight's probability.
    """

    base: float
    changes: list[tuple[Group, float]]


class Explainer:
    """Explainer of the scores of a predictor.

    The log-odds of a flight are divided exactly between the columns: TreeSHAP for the trees,
    deviation from the mean for the logistic regression. Probabilities are not additive, so their
    difference from the base is divided in the same proportions: each group gets its log-odds times
    the mean slope of the logistic curve between base and flight. Signs and order are those of the
    log-odds, and the changes add up.

    References
    ----------
    Lundberg et al., "From local explanations to global understanding with explainable AI for
    trees", Nature Machine Intelligence 2, 2020.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._levels = [
            (scorer, calibration, _membership(scorer.builder))
            for scorer, calibration in (
                (predictor.schedule, predictor.calibration),
                (predictor.fresh, Calibration()),
            )
        ]

    def explain(self, flights: Flights) -> list[Explanation]:
        """Return the explanation of each flight, in order."""
        fresh = self._predictor.knows_fresh(flights)
        found: dict[int, Explanation] = {}
        for rows, level in zip((~fresh, fresh), self._levels, strict=True):
            positions = np.flatnonzero(rows)
            if len(positions):
                explained = _explain(flights.pick(positions), *level)
                found.update(zip(positions.tolist(), explained, strict=True))
        return [found[position] for position in range(len(flights))]


def _explain(
    flights: Flights, scorer: Scorer, calibration: Calibration, membership: FloatArray
) -> list[Explanation]:
    parts = scorer.contributions(scorer.builder.transform(flights))
    base = calibration.slope * parts[:, -1] + calibration.intercept
    by_group = calibration.slope * (parts[:, :-1] @ membership)
    changes = by_group * _mean_slope(base, by_group.sum(axis=1))[:, None]
    return [
        Explanation(float(start), _ordered(row))
        for start, row in zip(sigmoid(base), changes, strict=True)
    ]


def _mean_slope(base: FloatArray, step: FloatArray) -> FloatArray:
    """Return the mean slope of the logistic curve between `base` and ``base + step``."""
    start = sigmoid(base)
    near = np.abs(step) < 1e-9
    rise = (sigmoid(base + step) - start) / np.where(near, 1.0, step)
    return np.where(near, start * (1.0 - start), rise)


def _ordered(changes: FloatArray) -> list[tuple[Group, float]]:
    named: Sequence[tuple[Group, float]] = list(zip(GROUPS, changes.tolist(), strict=True))
    return sorted((each for each in named if each[1] != 0.0), key=lambda each: -abs(each[1]))


def _membership(builder: FeatureBuilder) -> FloatArray:
    """Return a matrix with a 1 where a feature belongs to a group, ``(features, groups)``."""
    table = np.zeros((len(builder.feature_names), len(GROUPS)))
    names = [(each.key, name) for each in builder.transformers for name in each.names]
    for row, (key, name) in enumerate(names):
        group = _BY_COLUMN[name] if name in _BY_COLUMN else _BY_TRANSFORMER[key]
        table[row, GROUPS.index(group)] = 1.0
    return table
