"""What a method is given: flights with their features and, to learn from, their outcomes."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pandas as pd

from data.flights import Flights, IntArray, Outcomes
from model.evaluation.metrics import BoolArray
from model.inference.calibration import FloatArray


@dataclass(frozen=True, slots=True)
class Column:
    """One column of features: its name, the family it is of, and how trees should read it."""

    name: str
    family: str
    categorical: bool = False
    monotone: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Flights as they are scored: no outcome has a place here.

    Attributes
    ----------
    schedule
        The columns of `data.schema.SCHEDULE_COLUMNS`, one row per flight.
    matrix
        Their features, shape ``(n, len(columns))``.
    columns
        What stands in each column of `matrix`.
    """

    schedule: pd.DataFrame
    matrix: FloatArray
    columns: tuple[Column, ...]

    def __len__(self) -> int:
        return len(self.matrix)

    @property
    def flights(self) -> Flights:
        """The same flights, as families of features read them."""
        return Flights.from_columns(self.schedule)

    def pick(self, rows: IntArray) -> Table:
        """Flights at the given positions, in their order."""
        return replace(self, schedule=self.schedule.iloc[rows], matrix=self.matrix[rows])

    def without(self, dropped: Collection[str]) -> Table:
        """The same flights without some columns, given by their names or families."""
        kept = [
            position
            for position, column in enumerate(self.columns)
            if column.name not in dropped and column.family not in dropped
        ]
        columns = tuple(self.columns[position] for position in kept)
        return replace(self, matrix=self.matrix[:, kept], columns=columns)

    def beside(self, columns: tuple[Column, ...], matrix: FloatArray) -> Table:
        """The same flights with more columns."""
        joined = np.column_stack([self.matrix, matrix])
        return replace(self, matrix=joined, columns=(*self.columns, *columns))

    def positions(self, family: str) -> list[int]:
        """Positions of a family's columns."""
        return [at for at, column in enumerate(self.columns) if column.family == family]

    def categorical(self) -> list[int]:
        """Positions of the columns that hold codes."""
        return [at for at, column in enumerate(self.columns) if column.categorical]


@dataclass(frozen=True, slots=True)
class Training:
    """Flights to learn from, in order of time.

    Attributes
    ----------
    table
        Each flight as it could have been seen at its own time.
    label
        Soft labels as the served model learns them, shape ``(n,)``.
    outcomes
        What became of the flights.
    """

    table: Table
    label: FloatArray
    outcomes: Outcomes

    def __len__(self) -> int:
        return len(self.table)

    @property
    def late(self) -> BoolArray:
        """Whether each flight left late, shape ``(n,)``."""
        return self.outcomes.delayed

    @property
    def day(self) -> IntArray:
        """Days since 1970-01-01 of the schedule, shape ``(n,)``."""
        departure = self.table.schedule["scheduled_departure"].to_numpy()
        days: IntArray = departure.astype("datetime64[D]").astype(np.int64)
        return days

    def pick(self, rows: IntArray) -> Training:
        """Flights at the given positions, in their order."""
        known = Outcomes(
            self.outcomes.delayed[rows],
            self.outcomes.delay_minutes[rows],
            self.outcomes.departure[rows],
        )
        return Training(self.table.pick(rows), self.label[rows], known)

    def on(self, table: Table) -> Training:
        """The same outcomes with other features."""
        return replace(self, table=table)

    def split_last(self, weeks: int) -> tuple[Training, Training]:
        """Flights before the last weeks, and those of the last weeks."""
        recent = self.day > self.day.max() - 7 * weeks
        return self.pick(np.flatnonzero(~recent)), self.pick(np.flatnonzero(recent))


Score = Callable[[Table], FloatArray]
"""Gives each flight of a table its probability, shape ``(n,)``."""


class Method(Protocol):
    """One way to learn. Its ``repr`` says all that decides a fit: results are kept under it."""

    def fit(self, training: Training, seed: int) -> Score:
        """Learn from flights; nothing else reaches the method before it has to score."""
        ...
