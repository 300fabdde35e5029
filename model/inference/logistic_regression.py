"""Score flights by a logistic regression on the columns that the trees read.

Scoring takes numpy alone; `model.training.logistic_regression` fits the model.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self

import numpy as np

from data.flights import IntArray
from model.inference.booster import FloatArray


@dataclass(frozen=True, slots=True)
class NumericColumn:
    """Fitted parameters of one numeric column.

    Attributes
    ----------
    weight
        Change in log-odds per unit.
    mean
        Mean of the training flights, used for a missing value.
    low, high
        Least and largest value of training. Values beyond them are clipped, because a linear term
        extrapolates without bound and a tree does not.
    """

    kind: ClassVar[str] = "number"
    weight: float
    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class CategoricalColumn:
    """Fitted parameters of one column of category codes.

    Attributes
    ----------
    weights
        Log-odds of each code, that of the unknown code (-1) first.
    mean
        Mean weight of the training flights.
    """

    kind: ClassVar[str] = "codes"
    weights: list[float]
    mean: float


Column = NumericColumn | CategoricalColumn
_KINDS: dict[str, type[Column]] = {
    NumericColumn.kind: NumericColumn,
    CategoricalColumn.kind: CategoricalColumn,
}


class LogisticModel:
    """Fitted logistic regression that scores feature matrices.

    Parameters
    ----------
    intercept
        Log-odds where every column adds nothing.
    columns
        Parameters of each column of the matrix, in its order.
    """

    def __init__(self, intercept: float, columns: Sequence[Column]) -> None:
        self.intercept = intercept
        self.columns = tuple(columns)
        self.features = len(columns)
        numeric = {at: each for at, each in enumerate(columns) if isinstance(each, NumericColumn)}
        coded = {at: each for at, each in enumerate(columns) if isinstance(each, CategoricalColumn)}
        self._numeric, self._coded = _integers(numeric), _integers(coded)
        self._weight, self._mean, self._low, self._high = (
            np.array([getattr(each, name) for each in numeric.values()], dtype=float)
            for name in ("weight", "mean", "low", "high")
        )
        self._code_mean = np.array([each.mean for each in coded.values()], dtype=float)
        # the tables are concatenated, so that one look-up finds the weights of every code
        self._table = np.concatenate([np.empty(0), *(each.weights for each in coded.values())])
        self._sizes = _integers(len(each.weights) - 1 for each in coded.values())
        self._first = np.cumsum(self._sizes + 1) - self._sizes

    @property
    def weights(self) -> int:
        """Return the number of fitted weights, without the intercept."""
        return len(self._weight) + len(self._table)

    def raw_scores(self, matrix: FloatArray) -> FloatArray:
        """Return the log-odds of each row, shape ``(n,)``, of a matrix ``(n, features)``.

        A row has the same score, to the last bit, in any batch: products are summed row by row,
        which a matrix product does not guarantee.
        """
        numeric, coded = self._numeric_terms(matrix), self._categorical_terms(matrix)
        margins: FloatArray = self.intercept + numeric.sum(axis=1) + coded.sum(axis=1)
        return margins

    def contributions(self, matrix: FloatArray) -> FloatArray:
        """Return contributions to the log-odds, shape ``(n, features + 1)``, the base value last.

        A column contributes its term minus the mean of that term: the Shapley value of a linear
        model with independent columns. The columns of a row add up to its score.

        References
        ----------
        Lundberg, Lee, "A unified approach to interpreting model predictions", NeurIPS 2017,
        corollary 1.
        """
        typical = self._mean * self._weight
        parts = np.empty((len(matrix), self.features + 1))
        parts[:, self._numeric] = self._numeric_terms(matrix) - typical
        parts[:, self._coded] = self._categorical_terms(matrix) - self._code_mean
        parts[:, -1] = self.intercept + typical.sum() + self._code_mean.sum()
        return parts

    def to_json(self) -> dict[str, Any]:
        """Return all weights, column by column."""
        columns = [{"kind": each.kind, **asdict(each)} for each in self.columns]
        return {"intercept": self.intercept, "columns": columns}

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

    def _numeric_terms(self, matrix: FloatArray) -> FloatArray:
        values = matrix.take(self._numeric, axis=1)  # C order, so that rows are summed alike
        filled = np.where(np.isnan(values), self._mean, values)
        within = np.minimum(np.maximum(filled, self._low), self._high)
        parts: FloatArray = within * self._weight
        return parts

    def _categorical_terms(self, matrix: FloatArray) -> FloatArray:
        codes = matrix.take(self._coded, axis=1).astype(np.int64)
        # codes that training never saw lie beyond the table of their column
        known = np.where(codes < self._sizes, codes, -1)
        weights: FloatArray = self._table[known + self._first]
        return weights


def _integers(values: Iterable[int]) -> IntArray:
    return np.array(list(values), dtype=np.int64)
