"""The trees of a model in LightGBM's text format, split by split."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

END_OF_TREES = "end of trees"
"""Stands behind the last tree; LightGBM ends the process over a text that stops before it."""

CATEGORICAL, DEFAULT_LEFT, MISSING_ZERO, MISSING_NAN = 1, 2, 4, 8
"""Bits of a split's decision. The last two say what counts as missing, and goes the default way."""

_WORD = 32


class Split(NamedTuple):
    """One question of a tree.

    Attributes
    ----------
    feature
        Column of the matrix.
    threshold
        Values up to it go left; of no meaning where there are categories.
    categories
        Those that go left; ``None`` of a split by numbers.
    decision
        How it decides, as bits.
    left, right
        Children: another split, or a leaf ``~number``.
    """

    feature: int
    threshold: float
    categories: list[int] | None
    decision: int
    left: int
    right: int


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree of `n` splits, the root first, and the values of its `n + 1` leaves.

    Attributes
    ----------
    linear
        Whether its leaves hold lines, not values alone.
    """

    splits: list[Split]
    leaves: list[float]
    linear: bool


def parse(text: str) -> tuple[list[str], list[Tree]]:
    """Read a model: the lines before its first tree, and its trees.

    Raises
    ------
    ValueError, KeyError, IndexError
        If it is not a model that LightGBM has accepted.

    References
    ----------
    LightGBM 4, `src/io/tree.cpp`, ``Tree::ToString``.
    """
    head, *trees = text.partition(END_OF_TREES)[0].split("\nTree=")
    return head.splitlines(), [_tree(each) for each in trees]


def _tree(block: str) -> Tree:
    fields = dict(line.split("=", 1) for line in block.splitlines()[1:] if line)
    sets = _categories(fields)
    columns = zip(
        _integers(fields, "split_feature"),
        _floats(fields, "threshold"),
        _integers(fields, "decision_type"),
        _integers(fields, "left_child"),
        _integers(fields, "right_child"),
        strict=True,
    )
    splits = [
        Split(feature, value, sets[int(value)] if how & CATEGORICAL else None, how, left, right)
        for feature, value, how, left, right in columns
    ]
    return Tree(splits, _floats(fields, "leaf_value"), fields.get("is_linear", "0") != "0")


def _categories(fields: dict[str, str]) -> list[list[int]]:
    """Sets of categories; each is a run of words, with one bit per category."""
    bounds, words = _integers(fields, "cat_boundaries"), _integers(fields, "cat_threshold")
    return [
        [
            _WORD * at + bit
            for at, word in enumerate(words[start:stop])
            if word  # few have a bit at all
            for bit in range(_WORD)
            if word >> bit & 1
        ]
        for start, stop in pairwise(bounds)
    ]


def _integers(fields: dict[str, str], name: str) -> list[int]:
    return list(map(int, fields.get(name, "").split()))


def _floats(fields: dict[str, str], name: str) -> list[float]:
    return list(map(float, fields.get(name, "").split()))
