"""Pieces of an input: runs of its rows, each small enough to be held in memory and scored alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pyarrow as pa

from data.download import public_address
from data.flights import IntArray

PIECE_ROWS = 65_536
"""Rows that make a piece, as near as the input's own blocks allow."""


@dataclass(frozen=True, slots=True)
class Malformed:
    """A record that could not be cut into columns.

    Attributes
    ----------
    row
        Of the input, from 1; the header does not count.
    text
        The record as it stands there.
    reason
        What is wrong with it.
    """

    row: int
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a piece, read.

    Attributes
    ----------
    start, count
        First row in the input, from 1, and number of rows, the malformed ones among them.
    table
        The rows that have columns, in order: columns of `score.columns.FIELDS`, those that the
        input has.
    malformed
        The others.
    """

    start: int
    count: int
    table: pa.Table
    malformed: tuple[Malformed, ...] = ()

    @property
    def numbers(self) -> IntArray:
        """Row in the input of each row of the table, shape ``(n,)``."""
        numbers = np.arange(self.start, self.start + self.count)
        return np.setdiff1d(numbers, [each.row for each in self.malformed], assume_unique=True)


class Source(Protocol):
    """Where the rows of a piece are; can be sent to another process."""

    def read(self) -> Rows:
        """Read them."""
        ...


@dataclass(frozen=True, slots=True)
class Held:
    """Rows that were read already."""

    rows: Rows

    @property
    def count(self) -> int:
        """Number of rows."""
        return self.rows.count

    def read(self) -> Rows:
        """Return the rows."""
        return self.rows


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of rows: always the same one for the same input, so that finished ones are known.

    Attributes
    ----------
    number
        From 0, in the order of the input.
    rows
        How many.
    source
        Reads them.
    progress
        Share of the input that ends with this piece, 0 to 1.
    """

    number: int
    rows: int
    source: Source = field(repr=False)
    progress: float

    @property
    def name(self) -> str:
        """Name of the file that holds its scores."""
        return f"piece-{self.number:08}.arrow"


def public_name(path: str) -> str:
    """What to call an input in messages: no passwords, no signatures."""
    return public_address(path) if "://" in path else path
