"""Score rows by LightGBM's trees as look-up tables: all trees of many rows at once, in numpy.

LightGBM walks every tree for every row, which takes thousands of unpredictable branches. Here the
leaves of a tree of up to 16 leaves are 16 bits. Each split clears the bits of the leaves on the
side that a row does not take; the lowest bit that stays set is the leaf of the row. The bits that
all splits on one feature leave set depend only on the interval between their thresholds in which
the value lies. A table therefore has one row per feature and interval, with 16 bits for each tree.

The leaves are those of LightGBM, and their values are added in its order, so scores are equal to
the last bit. Measurements: docs/decisions/0020-trees-as-tables.md.

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
"""Rows that are scored together. In one thread, 64 to 256 take the same time: larger blocks have
fewer fixed costs and more cache misses. Two threads gain a quarter from larger blocks, because each
numpy call releases the interpreter lock and must acquire it again."""

_Places = npt.NDArray[np.intp]


class Forest:
    """Look-up tables of trees that score feature matrices.

    Parameters
    ----------
    trees
        Trees of up to `MOST_LEAVES` leaves each.
    """

    def __init__(self, trees: Sequence[Tree]) -> None:
        tables = Tables.of(trees)
        numbers, categories = tables.numbers, tables.categories
        edges = [each.edges for each in numbers]
        rows = [each.table for each in (*numbers, *categories)]
        self._split = np.repeat(_places(each.feature for each in numbers), _places(map(len, edges)))
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
        """Return the tables of a model that LightGBM has read, or None where trees do not fit.

        They fit if every tree has at most `MOST_LEAVES` constant leaves, no split treats zero as
        missing, and a score is the sum of all trees.
        """
        head, trees = parse(text)
        summed = "num_tree_per_iteration=1" in head and "average_output" not in head
        return cls(trees) if summed and all(map(_fits, trees)) else None

    def raw_scores(self, matrix: FloatArray) -> FloatArray:
        """Return the sum of the trees of each row, ``(n,)``, of a matrix ``(n, features)``."""
        scores = np.empty(len(matrix))
        for start in range(0, len(matrix), BLOCK):
            these = slice(start, start + BLOCK)
            scores[these] = self._sums(np.ascontiguousarray(matrix[these].T))
        return scores

    def _sums(self, columns: FloatArray) -> FloatArray:
        """Return the scores of a block that is given in columns, so that steps run along rows."""
        left = np.bitwise_and.reduce(self._table.take(self._rows(columns), axis=0), axis=0)
        values = self._values.take(_FIRST_BIT.take(left) + self._roots)
        # added tree by tree, as LightGBM does: numpy's pairwise sum of one row differs in bits
        if len(values) == 1:
            return values.cumsum()[-1:]
        sums: FloatArray = np.add.reduce(np.ascontiguousarray(values.T), axis=0)
        return sums

    def _rows(self, columns: FloatArray) -> _Places:
        """Return the table row of each split feature (axis 0) for each row of the block."""
        rows = np.empty((len(self._first), columns.shape[1]), dtype=np.intp)
        numbers = len(self._starts)
        within = columns.take(self._split, axis=0) <= self._edges
        rows[:numbers] = np.add.reduceat(
            within.view(np.uint8), self._starts, axis=0, dtype=self._counts
        )
        codes = columns.take(self._codes, axis=0)
        known = (codes > -1) & (codes < self._tops)  # LightGBM truncates codes to integers
        rows[numbers:] = np.where(known, codes, self._tops)
        rows += self._first
        return rows


def _fits(tree: Tree) -> bool:
    small = len(tree.leaves) <= MOST_LEAVES
    return small and not tree.linear and not any(s.decision & MISSING_ZERO for s in tree.splits)


def _places(numbers: Iterable[int]) -> _Places:
    return np.fromiter(numbers, dtype=np.intp)


def _starts(parts: Sequence[npt.NDArray[np.generic]]) -> _Places:
    """Return the start of each part in their concatenation."""
    return np.cumsum([0, *map(len, parts)])[:-1]


def _first_bits() -> npt.NDArray[np.uint8]:
    """Return the position of the lowest set bit of every 16-bit number."""
    first = np.zeros(1 << MOST_LEAVES, dtype=np.uint8)
    for bit in reversed(range(MOST_LEAVES)):
        first.reshape(-1, 2 << bit)[:, 1 << bit :] = bit
    return first


_FIRST_BIT = _first_bits()
