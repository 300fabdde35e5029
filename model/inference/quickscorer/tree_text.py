"""Parse the trees of a model in LightGBM's text format."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

END_OF_TREES = "end of trees"
"""Marker after the last tree; LightGBM aborts the process on a text that lacks it."""

CATEGORICAL, DEFAULT_LEFT, MISSING_ZERO, MISSING_NAN = 1, 2, 4, 8
"""Bits of a split's decision. The last two say which values are missing and take the default."""

_WORD = 32


class Split(NamedTuple):
    """Split of a tree.

    Attributes
    ----------
    feature
        Column of the matrix.
    threshold
        Numeric split: values up to it go left. Not used by a categorical split.
    categories
        Categories that go left; ``None`` for a numeric split.
    decision
        LightGBM's decision type, as bits.
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
    """Tree of `n` splits, the root first, and `n + 1` leaf values.

    Attributes
    ----------
    linear
        Whether its leaves hold linear models instead of constants.
    """

    splits: list[Split]
    leaves: list[float]
    linear: bool


def parse(text: str) -> tuple[list[str], list[Tree]]:
    """Return the lines before the first tree, and the trees.

    Raises
    ------
    ValueError, KeyError, IndexError
        If the text is not a model that LightGBM accepts.

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
    """Return the sets of categories; each is stored as 32-bit words with one bit per category."""
    bounds, words = _integers(fields, "cat_boundaries"), _integers(fields, "cat_threshold")
    return [
        [
            _WORD * at + bit
            for at, word in enumerate(words[start:stop])
            if word  # most words are 0
            for bit in range(_WORD)
            if word >> bit & 1
        ]
        for start, stop in pairwise(bounds)
    ]


def _integers(fields: dict[str, str], name: str) -> list[int]:
    return list(map(int, fields.get(name, "").split()))


def _floats(fields: dict[str, str], name: str) -> list[float]:
    return list(map(float, fields.get(name, "").split()))
