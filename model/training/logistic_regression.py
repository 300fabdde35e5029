"""Fit the logistic regression of the model on soft labels."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from scipy import sparse
from scipy.optimize import minimize

from model.inference.booster import FloatArray
from model.inference.calibration import sigmoid
from model.inference.logistic_regression import (
    CategoricalColumn,
    Column,
    LogisticModel,
    NumericColumn,
)

PENALTY = 20.0
"""Factor of half the squared standardised weights: docs/decisions/0007-linear-half.md."""
MINIMUM_FLIGHTS = 20
"""Flights that a code must have for a weight of its own; rarer codes share one weight."""
STEPS = 300
GAIN = 1e-8
"""Relative decrease of the loss below which the optimizer stops."""
DIGITS = 9
"""Significant digits of the saved weights."""


def fit_logistic_regression(
    matrix: FloatArray, label: FloatArray, codes: Collection[int], rising: Collection[int] = ()
) -> LogisticModel:
    """Fit by maximum likelihood with a penalty on squared weights.

    Numeric columns are standardised first, so that the penalty treats them alike. Each code has a
    weight of its own.

    Parameters
    ----------
    matrix
        Shape ``(n, features)``; missing numbers are NaN, unknown codes -1.
    label
        Between 0 and 1, shape ``(n,)``.
    codes
        Positions of the columns that hold codes: integers from -1 on.
    rising
        Positions of the numeric columns whose weight must not be negative.

    References
    ----------
    Byrd, Lu, Nocedal, Zhu, "A limited memory algorithm for bound constrained optimization", SIAM
    Journal on Scientific Computing 16, 1995 (L-BFGS-B).
    """
    parts: list[_Part] = [
        _CategoricalPart(column) if at in codes else _NumericPart(column, rising=at in rising)
        for at, column in enumerate(matrix.T)
    ]
    design = sparse.hstack([part.design for part in parts]).tocsr()
    weights, intercept = _solve(design, label, [low for part in parts for low in part.least])
    ends = np.cumsum([part.design.shape[1] for part in parts])
    columns = []
    for part, found in zip(parts, np.split(weights, ends[:-1]), strict=True):
        column, moved = part.column(found)
        columns.append(column)
        intercept += moved
    return LogisticModel(_rounded(intercept), columns)


def _solve(design: Any, label: FloatArray, least: Sequence[float]) -> tuple[FloatArray, float]:
    """Return weights and intercept; `least` bounds each weight from below.

    Sparse products run on one thread, so the sums are the same on any number of processors.
    """
    width, transposed = design.shape[1], design.T.tocsr()
    mean = float(label.mean())
    start = np.append(np.zeros(width), np.log(mean / (1.0 - mean)))

    def loss(point: FloatArray) -> tuple[float, FloatArray]:
        weights = point[:-1]
        margin = design @ weights + point[-1]
        residual = sigmoid(margin) - label
        total = (np.logaddexp(0.0, margin) - label * margin).sum()
        gradient = transposed @ residual + PENALTY * weights
        return total + 0.5 * PENALTY * (weights @ weights), np.append(gradient, residual.sum())

    bounds = [*((low, np.inf) for low in least), (-np.inf, np.inf)]
    options = {"maxiter": STEPS, "ftol": GAIN, "gtol": 0.0}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    return found[:-1], float(found[-1])


class _NumericPart:
    """Design of a numeric column: one standardised column."""

    def __init__(self, values: FloatArray, *, rising: bool) -> None:
        missing = np.isnan(values)
        known = np.zeros(1) if missing.all() else values[~missing]
        self._low, self._high = float(known.min()), float(known.max())
        self._mean = _rounded(float(known.mean()))
        centred = np.where(missing, 0.0, values - self._mean)
        self._scale = float(centred.std()) or 1.0
        self.design = sparse.csr_matrix(centred[:, None] / self._scale)
        self.least = [0.0 if rising else -np.inf]

    def column(self, weights: FloatArray) -> tuple[Column, float]:
        """Return the fitted column and its part of the intercept."""
        weight = _rounded(float(weights[0]) / self._scale)
        return NumericColumn(weight, self._mean, self._low, self._high), -weight * self._mean


class _CategoricalPart:
    """Design of a column of codes: one column per frequent code, and one for all rare codes."""

    def __init__(self, values: FloatArray) -> None:
        place = values.astype(np.int64) + 1
        self._count = np.bincount(place)
        frequent = self._count >= MINIMUM_FLIGHTS
        self._column = np.where(frequent, np.cumsum(frequent) - 1, frequent.sum())
        ones = np.ones(len(place)), (np.arange(len(place)), self._column[place])
        self.design = sparse.csr_matrix(ones, shape=(len(place), frequent.sum() + 1))
        self.least = [-np.inf] * self.design.shape[1]

    def column(self, weights: FloatArray) -> tuple[Column, float]:
        """Return the fitted column and its part of the intercept, which is 0."""
        by_code = weights[self._column]
        mean = float((by_code * self._count).sum() / self._count.sum())
        rounded = [_rounded(weight) for weight in by_code.tolist()]
        return CategoricalColumn(rounded, _rounded(mean)), 0.0


_Part = _NumericPart | _CategoricalPart


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
