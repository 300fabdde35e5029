"""Pieces of an input: consecutive rows that fit into memory and are scored on their own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pyarrow as pa

from data.download import public_address
from data.flights import IntArray

PIECE_ROWS = 65_536
"""Target number of rows per piece; the input's blocks or row groups decide the exact number."""


@dataclass(frozen=True, slots=True)
class Malformed:
    """Record that could not be split into columns.

    Attributes
    ----------
    row
        Row in the input, from 1; the header does not count.
    text
        Text of the record in the input.
    reason
        Reason why it is malformed.
    """

    row: int
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a piece.

    Attributes
    ----------
    start, count
        First row in the input, from 1, and number of rows, including malformed ones.
    table
        The well-formed rows, in order, with those columns of `score.columns.FIELDS` that the
        input has.
    malformed
        The malformed rows.
    """

    start: int
    count: int
    table: pa.Table
    malformed: tuple[Malformed, ...] = ()

    @property
    def numbers(self) -> IntArray:
        """Return the row in the input of each row of the table, shape ``(n,)``."""
        numbers = np.arange(self.start, self.start + self.count)
        return np.setdiff1d(numbers, [each.row for each in self.malformed], assume_unique=True)


class Source(Protocol):
    """Interface of a source of a piece's rows; it can be pickled for another process."""

    def read(self) -> Rows:
        """Read the rows."""
        ...


@dataclass(frozen=True, slots=True)
class LoadedRows:
    """Rows that are already in memory."""

    rows: Rows

    @property
    def count(self) -> int:
        """Return the number of rows."""
        return self.rows.count

    def read(self) -> Rows:
        """Return the rows."""
        return self.rows


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive rows of an input.

    The same input always gives the same pieces, so that a resumed run recognises finished ones.

    Attributes
    ----------
    number
        Index in the input, from 0.
    rows
        Number of rows.
    source
        Source of the rows.
    progress
        Share of the input up to the end of this piece, 0 to 1.
    """

    number: int
    rows: int
    source: Source = field(repr=False)
    progress: float

    @property
    def name(self) -> str:
        """Return the name of the file with the piece's scores."""
        return f"piece-{self.number:08}.arrow"


def public_name(path: str) -> str:
    """Return the name of an input for messages, without passwords or signatures."""
    return public_address(path) if "://" in path else path
