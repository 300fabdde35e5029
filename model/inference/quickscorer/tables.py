"""What the splits of a model leave of its trees, by the value of the feature that they ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from model.inference.quickscorer.tree_text import DEFAULT_LEFT, MISSING_NAN, Split, Tree

MOST_LEAVES = 16

Bits = npt.NDArray[np.uint16]
"""Leaves of a tree as bits: those that may still be a row's."""
FloatArray = npt.NDArray[np.float64]

_OTHER = -1
"""Stands for all values that are no category of any split: LightGBM sends them to the right."""
_ZERO = float(np.float32(1e-35))
"""LightGBM reads what is no further from zero as zero: not as below a threshold that is there."""
_ALL = (1 << MOST_LEAVES) - 1


@dataclass(frozen=True, slots=True)
class Axis:
    """A feature that splits ask.

    Attributes
    ----------
    feature
        Column of the matrix.
    edges
        Of a feature of numbers: all thresholds in ascending order, and infinity.
    categories
        Of a feature of categories: one more than the greatest that a split names, 0 of the other
        kind.
    table
        Leaves left of each tree, shape ``(rows, trees)``. Numbers: row `n` is for values that `n`
        of the edges are not less than, so that the first is for missing values. Categories: row
        `n` for category `n`, the last for all other values.
    """

    feature: int
    edges: FloatArray
    categories: int
    table: Bits


class _Asked(NamedTuple):
    """A split, its tree, and the leaves that it leaves on either side."""

    split: Split
    tree: int
    if_left: int
    if_right: int


@dataclass(frozen=True, slots=True)
class Tables:
    """What is looked up to score with trees.

    Attributes
    ----------
    numbers, categories
        Features that splits ask, of either kind.
    values
        Of the trees' leaves in the order of their bits, shape ``(trees, MOST_LEAVES)``; zero for
        those that a tree does not have.
    """

    numbers: list[Axis]
    categories: list[Axis]
    values: FloatArray

    @classmethod
    def of(cls, trees: Sequence[Tree]) -> Self:
        """Tables of trees with no more leaves than there are bits."""
        by_feature: dict[int, list[_Asked]] = {}
        values = np.zeros((len(trees), MOST_LEAVES))
        for number, tree in enumerate(trees):
            spans, leaves = _places(tree)
            values[number, : len(leaves)] = [tree.leaves[leaf] for leaf in leaves]
            for split, (start, middle, stop) in zip(tree.splits, spans, strict=True):
                if_left, if_right = _ALL & ~_bits(middle, stop), _ALL & ~_bits(start, middle)
                one = _Asked(split, number, if_left, if_right)
                by_feature.setdefault(split.feature, []).append(one)
        found = cls([], [], values)
        for feature, asked in sorted(by_feature.items()):
            if asked[0].split.categories is None:
                found.numbers.append(_of_numbers(feature, asked, len(trees)))
            else:
                found.categories.append(_of_categories(feature, asked, len(trees)))
        return found


def _places(tree: Tree) -> tuple[list[tuple[int, int, int]], list[int]]:
    """Where the leaves under each split stand, and the leaves in the order in which they stand.

    Those under the left child of a split stand from its first number to its second, those under
    the right child from there to its third.
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


def _of_numbers(feature: int, asked: Sequence[_Asked], trees: int) -> Axis:
    threshold = np.array([each.split.threshold for each in asked])
    threshold[threshold == -_ZERO] = np.nextafter(-_ZERO, -np.inf)
    decision = np.array([each.split.decision for each in asked])
    edges = np.append(np.unique(threshold), np.inf)
    values = np.append(np.nan, edges[::-1])[:, None]
    missing = np.isnan(values)
    by_default = decision & DEFAULT_LEFT > 0
    zero = np.where(missing, 0.0, values)  # what a split without a default takes for missing
    left = np.where(missing & (decision & MISSING_NAN > 0), by_default, zero <= threshold)
    return Axis(feature, edges, 0, _table(left, asked, trees))


def _of_categories(feature: int, asked: Sequence[_Asked], trees: int) -> Axis:
    sets = [each.split.categories or [] for each in asked]
    top = max((max(each) for each in sets if each), default=_OTHER) + 1
    left = np.zeros((top + 1, len(sets)), dtype=bool)
    for column, each in enumerate(sets):
        left[each, column] = True
    return Axis(feature, np.empty(0), top, _table(left, asked, trees))


def _table(left: npt.NDArray[np.bool_], asked: Sequence[_Asked], trees: int) -> Bits:
    """Leaves left of each tree, where it is known which splits send which values to the left."""
    if_left, if_right = np.array([(a.if_left, a.if_right) for a in asked], dtype=np.uint16).T
    kept = np.where(left, if_left, if_right)
    tree, first = np.unique([each.tree for each in asked], return_index=True)
    table = np.full((len(left), trees), _ALL, dtype=np.uint16)
    table[:, tree] = np.bitwise_and.reduceat(kept, first, axis=1)
    return table
