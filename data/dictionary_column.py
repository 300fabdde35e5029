"""Dictionary-encoded columns, so that look-ups run once per distinct value and not per row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar, overload

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
T = TypeVar("T")
U = TypeVar("U")

WIDEST = 8
"""Size limit of the table that marks pairs, in pairs per row; beyond it the pairs are sorted."""


class DictionaryColumn(Sequence[T]):
    """Column of `n` values of which few are distinct, readable as a list.

    Parameters
    ----------
    code
        Position of each row's value, shape ``(n,)``.
    values
        The distinct values; each occurs in some row.
    """

    __slots__ = ("code", "values")

    def __init__(self, code: IntArray, values: Sequence[T]) -> None:
        self.code = code
        self.values = values

    @classmethod
    def of(cls, column: Sequence[T]) -> DictionaryColumn[T]:
        """Encode a column; values are in the order of their first occurrence."""
        if isinstance(column, DictionaryColumn):
            return column
        number = {value: n for n, value in enumerate(dict.fromkeys(column))}
        code = np.fromiter(map(number.__getitem__, column), np.int64, len(column))
        return cls(code, list(number))

    @classmethod
    def compact(cls, code: IntArray, values: Sequence[T]) -> DictionaryColumn[T]:
        """Leave out the values that occur in no row."""
        present = np.zeros(len(values), dtype=bool)
        present[code] = True
        kept = np.flatnonzero(present)
        if len(kept) == len(values):
            return cls(code, values)
        number = np.cumsum(present) - 1
        return cls(number[code], [values[n] for n in kept.tolist()])

    def pick(self, rows: npt.NDArray[Any]) -> DictionaryColumn[T]:
        """Return the rows at the given positions, in their order."""
        return self.compact(self.code[rows], self.values)

    def __len__(self) -> int:
        return len(self.code)

    def __iter__(self) -> Iterator[T]:
        return map(self.values.__getitem__, self.code.tolist())

    @overload
    def __getitem__(self, at: int) -> T: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[T]: ...
    def __getitem__(self, at: int | slice) -> T | Sequence[T]:
        if isinstance(at, slice):
            return self.compact(self.code[at], self.values)
        return self.values[int(self.code[at])]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment] # it equals lists, which have none either


def look_up(
    column: Sequence[T], find: Callable[[Sequence[T]], list[U]]
) -> list[U] | npt.NDArray[Any]:
    """Apply `find` to the rows, or once to each distinct value of a `DictionaryColumn`.

    Parameters
    ----------
    find
        Function from values to as many results, each depending on its own value alone.
    """
    if isinstance(column, DictionaryColumn):
        return np.array(find(column.values)).take(column.code) if len(column) else []
    return find(column)


def pairs(first: Sequence[T], second: Sequence[U]) -> Sequence[tuple[T, U]]:
    """Pair the values of two columns row by row."""
    if not (isinstance(first, DictionaryColumn) and isinstance(second, DictionaryColumn)):
        return list(zip(first, second, strict=True))
    width = len(second.values)
    both = first.code * width + second.code
    kept, code = _distinct(both, len(first.values) * width)
    ones, others = np.divmod(kept, max(width, 1))
    values = [
        (first.values[a], second.values[b])
        for a, b in zip(ones.tolist(), others.tolist(), strict=True)
    ]
    return DictionaryColumn(code, values)


def _distinct(numbers: IntArray, size: int) -> tuple[IntArray, IntArray]:
    """Return the distinct numbers below `size` in ascending order, and each row's position."""
    if size > WIDEST * len(numbers):
        kept, code = np.unique(numbers, return_inverse=True)
        return kept, code
    present = np.zeros(size, dtype=bool)
    present[numbers] = True
    return np.flatnonzero(present), (np.cumsum(present) - 1)[numbers]
