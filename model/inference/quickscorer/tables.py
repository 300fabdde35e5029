"""Build QuickScorer's look-up tables: for each feature interval, the reachable leaves as bits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from model.inference.quickscorer.tree_text import DEFAULT_LEFT, MISSING_NAN, Split, Tree

MOST_LEAVES = 16

Bits = npt.NDArray[np.uint16]
"""Leaves of a tree as bits, set for the leaves that a row can still reach."""
FloatArray = npt.NDArray[np.float64]

_OTHER = -1
"""Category of all values that no split names: LightGBM sends them to the right."""
_ZERO = float(np.float32(1e-35))
"""Largest magnitude that LightGBM treats as zero."""
_ALL = (1 << MOST_LEAVES) - 1


@dataclass(frozen=True, slots=True)
class Axis:
    """Table of one split feature.

    Attributes
    ----------
    feature
        Column of the matrix.
    edges
        Numeric feature: all thresholds in ascending order, then infinity. Otherwise empty.
    categories
        Categorical feature: one more than the largest category in any split. Otherwise 0.
    table
        Reachable leaves of each tree, shape ``(rows, trees)``. Numeric: row `n` is for values with
        `n` edges at or above them, so that row 0 is for missing values. Categorical: row `n` is
        for category `n`, the last row for all other values.
    """

    feature: int
    edges: FloatArray
    categories: int
    table: Bits


class _TreeSplit(NamedTuple):
    """Split with its tree and the leaves that stay reachable on either side."""

    split: Split
    tree: int
    if_left: int
    if_right: int


@dataclass(frozen=True, slots=True)
class Tables:
    """Look-up tables of all split features, and the values of all leaves.

    Attributes
    ----------
    numbers, categories
        Tables of the numeric and of the categorical features.
    values
        Values of the leaves in the order of their bits, shape ``(trees, MOST_LEAVES)``; zero for
        leaves that a tree does not have.
    """

    numbers: list[Axis]
    categories: list[Axis]
    values: FloatArray

    @classmethod
    def of(cls, trees: Sequence[Tree]) -> Self:
        """Return the tables of trees with at most `MOST_LEAVES` leaves."""
        by_feature: dict[int, list[_TreeSplit]] = {}
        values = np.zeros((len(trees), MOST_LEAVES))
        for number, tree in enumerate(trees):
            spans, leaves = _places(tree)
            values[number, : len(leaves)] = [tree.leaves[leaf] for leaf in leaves]
            for split, (start, middle, stop) in zip(tree.splits, spans, strict=True):
                if_left, if_right = _ALL & ~_bits(middle, stop), _ALL & ~_bits(start, middle)
                one = _TreeSplit(split, number, if_left, if_right)
                by_feature.setdefault(split.feature, []).append(one)
        found = cls([], [], values)
        for feature, splits in sorted(by_feature.items()):
            if splits[0].split.categories is None:
                found.numbers.append(_of_numbers(feature, splits, len(trees)))
            else:
                found.categories.append(_of_categories(feature, splits, len(trees)))
        return found


def _places(tree: Tree) -> tuple[list[tuple[int, int, int]], list[int]]:
    """Return the span of leaves under each split, and the leaves from left to right.

    A span is (start, middle, stop): the left child has the leaves from start to middle, the right
    child those from middle to stop.
    """
    spans = [(0, 0, 0)] * len(tree.splits)
    leaves: list[int] = []

    def place(node: int) -> None:
        if node < 0:
            leaves.append(~node)
            return
        split, start = tree.splits[node], len(leaves)
        place(split.left)
        middle = len(leaves)
        place(split.right)
        spans[node] = start, middle, len(leaves)

    place(0 if tree.splits else ~0)
    return spans, leaves


def _bits(start: int, stop: int) -> int:
    return (1 << stop) - (1 << start)


def _of_numbers(feature: int, splits: Sequence[_TreeSplit], trees: int) -> Axis:
    threshold = np.array([each.split.threshold for each in splits])
    # LightGBM reads a value of -1e-35 as zero, which is not at or below this threshold
    threshold[threshold == -_ZERO] = np.nextafter(-_ZERO, -np.inf)
    decision = np.array([each.split.decision for each in splits])
    edges = np.append(np.unique(threshold), np.inf)
    values = np.append(np.nan, edges[::-1])[:, None]
    missing = np.isnan(values)
    by_default = decision & DEFAULT_LEFT > 0
    zero = np.where(missing, 0.0, values)  # a split without a default direction reads NaN as 0
    left = np.where(missing & (decision & MISSING_NAN > 0), by_default, zero <= threshold)
    return Axis(feature, edges, 0, _table(left, splits, trees))


def _of_categories(feature: int, splits: Sequence[_TreeSplit], trees: int) -> Axis:
    sets = [each.split.categories or [] for each in splits]
    top = max((max(each) for each in sets if each), default=_OTHER) + 1
    left = np.zeros((top + 1, len(sets)), dtype=bool)
    for column, each in enumerate(sets):
        left[each, column] = True
    return Axis(feature, np.empty(0), top, _table(left, splits, trees))


def _table(left: npt.NDArray[np.bool_], splits: Sequence[_TreeSplit], trees: int) -> Bits:
    """Return the reachable leaves of each tree, given which splits send which values left."""
    if_left, if_right = np.array([(s.if_left, s.if_right) for s in splits], dtype=np.uint16).T
    kept = np.where(left, if_left, if_right)
    tree, first = np.unique([each.tree for each in splits], return_index=True)
    table = np.full((len(left), trees), _ALL, dtype=np.uint16)
    table[:, tree] = np.bitwise_and.reduceat(kept, first, axis=1)
    return table
