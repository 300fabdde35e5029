"""The smooth half of the model: a logistic regression on the columns that the trees read.

Scoring takes numpy alone; `model.training.logistic_regression` fits it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from data.flights import IntArray
from model.inference.booster import FloatArray


@dataclass(frozen=True, slots=True)
class Number:
    """What was learned about a column of numbers.

    Attributes
    ----------
    weight
        Change in log-odds per unit.
    mean
        Of training; it stands in for a missing value.
    low, high
        Least and largest value of training; what lies beyond is read as these, because a line,
        unlike a tree, has no end.
    """

    weight: float
    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Codes:
    """What was learned about a column of codes.

    Attributes
    ----------
    weights
        Log-odds of each code, that of the unknown one (-1) first.
    mean
        Of the training flights' weights.
    """

    weights: list[float]
    mean: float


Column = Number | Codes
_KINDS: dict[str, type[Column]] = {"number": Number, "codes": Codes}


class LogisticModel:
    """A fitted logistic regression that scores feature matrices.

    Parameters
    ----------
    intercept
        Log-odds where every column adds nothing.
    columns
        What was learned about each column of the matrix, in its order.
    """

    def __init__(self, intercept: float, columns: Sequence[Column]) -> None:
        self.intercept = intercept
        self.columns = tuple(columns)
        self.features = len(columns)
        numbers = {at: each for at, each in enumerate(columns) if isinstance(each, Number)}
        codes = {at: each for at, each in enumerate(columns) if isinstance(each, Codes)}
        self._numbers, self._codes = _integers(numbers), _integers(codes)
        self._weight, self._mean, self._low, self._high = (
            np.array([getattr(each, name) for each in numbers.values()], dtype=float)
            for name in ("weight", "mean", "low", "high")
        )
        self._code_mean = np.array([each.mean for each in codes.values()], dtype=float)
        # all tables end to end, so that one look-up finds the weights of every code
        self._table = np.concatenate([np.empty(0), *(each.weights for each in codes.values())])
        self._sizes = _integers(len(each.weights) - 1 for each in codes.values())
        self._first = np.cumsum(self._sizes + 1) - self._sizes

    @property
    def weights(self) -> int:
        """How many numbers were learned, beside the intercept."""
        return len(self._weight) + len(self._table)

    def raw_scores(self, matrix: FloatArray) -> FloatArray:
        """Log-odds of each row, shape ``(n,)``, for a matrix of shape ``(n, features)``.

        A row's score does not depend, in its last bit either, on the rows beside it: products
        are summed row by row, which a matrix product would not promise.
        """
        numbers, codes = self._of_numbers(matrix), self._of_codes(matrix)
        margins: FloatArray = self.intercept + numbers.sum(axis=1) + codes.sum(axis=1)
        return margins

    def contributions(self, matrix: FloatArray) -> FloatArray:
        """Contributions to the log-odds, shape ``(n, features + 1)``, the mean flight's last.

        A column contributes what it adds beyond what it adds on average: the Shapley value of a
        linear model whose columns vary on their own. The columns of a row add up to its score.

        References
        ----------
        Lundberg, Lee, "A unified approach to interpreting model predictions", NeurIPS 2017,
        corollary 1.
        """
        typical = self._mean * self._weight
        parts = np.empty((len(matrix), self.features + 1))
        parts[:, self._numbers] = self._of_numbers(matrix) - typical
        parts[:, self._codes] = self._of_codes(matrix) - self._code_mean
        parts[:, -1] = self.intercept + typical.sum() + self._code_mean.sum()
        return parts

    def to_json(self) -> dict[str, Any]:
        """Return all weights, column by column."""
        return {
            "intercept": self.intercept,
            "columns": [
                {"kind": type(each).__name__.lower(), **asdict(each)} for each in self.columns
            ],
        }

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> Self:
        """Restore from `to_json`.

        Raises
        ------
        ValueError, KeyError, TypeError
            If it was written by another version of this code.
        """
        columns = [
            _KINDS[each["kind"]](**{name: each[name] for name in each if name != "kind"})
            for each in saved["columns"]
        ]
        return cls(float(saved["intercept"]), columns)

    def _of_numbers(self, matrix: FloatArray) -> FloatArray:
        numbers = matrix.take(self._numbers, axis=1)  # row after row in memory, as sums need it
        filled = np.where(np.isnan(numbers), self._mean, numbers)
        within = np.minimum(np.maximum(filled, self._low), self._high)
        parts: FloatArray = within * self._weight
        return parts

    def _of_codes(self, matrix: FloatArray) -> FloatArray:
        codes = matrix.take(self._codes, axis=1).astype(np.int64)
        # what training saw of these columns ends with their tables
        known = np.where(codes < self._sizes, codes, -1)
        weights: FloatArray = self._table[known + self._first]
        return weights


def _integers(values: Iterable[int]) -> IntArray:
    return np.array(list(values), dtype=np.int64)
