"""LightGBM's trees as look-up tables: all trees of many rows at once, in numpy.

LightGBM walks every tree of every row: some thousand steps that the processor cannot foresee. A
tree of up to 16 leaves fits into 16 bits instead. Each split strikes out the leaves on the side
that a row does not take, and the first leaf that none has struck out is the row's. What all splits
on one feature leave depends only on the interval between their thresholds in which the value
lies, so it is looked up: a table has a row per feature and interval, with 16 bits of each tree.

The leaves are those that LightGBM finds, and their values are added in its order: scores are equal
to the last bit. Figures: docs/decisions/0020-trees-as-tables.md.

References
----------
Lucchese, Nardini, Orlando, Perego, Tonellotto, Venturini, "QuickScorer: a fast algorithm to rank
documents with additive ensembles of regression trees", SIGIR 2015.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Self

import numpy as np
import numpy.typing as npt

from model.inference.quickscorer.tables import MOST_LEAVES, FloatArray, Tables
from model.inference.quickscorer.tree_text import MISSING_ZERO, Tree, parse

BLOCK = 256
"""Rows that are scored together. From 64 to 256 the time is the same in one thread: the fixed costs
of the steps against what still lies in the processor's cache. Two threads gain a quarter from
longer steps, because each of them gives the interpreter away and has to get it back."""

_Places = npt.NDArray[np.intp]


class Forest:
    """Trees that score feature matrices.

    Parameters
    ----------
    trees
        Of up to `MOST_LEAVES` leaves each.
    """

    def __init__(self, trees: Sequence[Tree]) -> None:
        tables = Tables.of(trees)
        numbers, categories = tables.numbers, tables.categories
        edges = [each.edges for each in numbers]
        rows = [each.table for each in (*numbers, *categories)]
        self._asked = np.repeat(_places(each.feature for each in numbers), _places(map(len, edges)))
        self._edges = np.concatenate([np.empty(0), *edges])[:, None]
        self._starts = _starts(edges)
        self._counts = np.uint8 if max(map(len, edges), default=0) < 256 else np.uint16
        self._codes = _places(each.feature for each in categories)
        self._tops = np.array([each.categories for each in categories], dtype=float)[:, None]
        self._first = _starts(rows)[:, None]
        self._table = np.concatenate([np.empty((0, len(trees)), dtype=np.uint16), *rows])
        self._values = tables.values.ravel()
        self._roots = np.arange(len(trees)) * MOST_LEAVES

    @classmethod
    def of(cls, text: str) -> Self | None:
        """Trees of a model that LightGBM has read; nothing where they do not fit.

        They fit where every tree has few leaves, each with one value, no split takes zero for
        missing, and a score is the sum of all trees.
        """
        head, trees = parse(text)
        summed = "num_tree_per_iteration=1" in head and "average_output" not in head
        return cls(trees) if summed and all(map(_fits, trees)) else None

    def raw_scores(self, matrix: FloatArray) -> FloatArray:
        """Sum of the trees' values for each row, shape ``(n,)``, of shape ``(n, features)``."""
        scores = np.empty(len(matrix))
        for start in range(0, len(matrix), BLOCK):
            these = slice(start, start + BLOCK)
            scores[these] = self._sums(np.ascontiguousarray(matrix[these].T))
        return scores

    def _sums(self, columns: FloatArray) -> FloatArray:
        """Scores of a block, column by column: every step runs along the rows in memory."""
        left = np.bitwise_and.reduce(self._table.take(self._rows(columns), axis=0), axis=0)
        values = self._values.take(_FIRST_BIT.take(left) + self._roots)
        # tree after tree, as LightGBM does: numpy's own sum of one row would go another way
        if len(values) == 1:
            return values.cumsum()[-1:]
        sums: FloatArray = np.add.reduce(np.ascontiguousarray(values.T), axis=0)
        return sums

    def _rows(self, columns: FloatArray) -> _Places:
        """Row of the table for each feature that is asked, and each row of the block."""
        rows = np.empty((len(self._first), columns.shape[1]), dtype=np.intp)
        numbers = len(self._starts)
        within = columns.take(self._asked, axis=0) <= self._edges
        rows[:numbers] = np.add.reduceat(
            within.view(np.uint8), self._starts, axis=0, dtype=self._counts
        )
        codes = columns.take(self._codes, axis=0)
        known = (codes > -1) & (codes < self._tops)  # LightGBM cuts off what is behind the point
        rows[numbers:] = np.where(known, codes, self._tops)
        rows += self._first
        return rows


def _fits(tree: Tree) -> bool:
    small = len(tree.leaves) <= MOST_LEAVES
    return small and not tree.linear and not any(s.decision & MISSING_ZERO for s in tree.splits)


def _places(numbers: Iterable[int]) -> _Places:
    return np.fromiter(numbers, dtype=np.intp)


def _starts(parts: Sequence[npt.NDArray[np.generic]]) -> _Places:
    """Where each part starts, where they stand one after the other."""
    return np.cumsum([0, *map(len, parts)])[:-1]


def _first_bits() -> npt.NDArray[np.uint8]:
    """Lowest bit of every number that is set."""
    first = np.zeros(1 << MOST_LEAVES, dtype=np.uint8)
    for bit in reversed(range(MOST_LEAVES)):
        first.reshape(-1, 2 << bit)[:, 1 << bit :] = bit
    return first


_FIRST_BIT = _first_bits()
