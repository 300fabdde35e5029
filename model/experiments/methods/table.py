"""Inputs of a method: flights with features and, for training, outcomes."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, ClassVar, Protocol

import numpy as np
import pandas as pd

from data.flights import Flights, IntArray, Outcomes
from model.evaluation.metrics import BoolArray
from model.inference.calibration import FloatArray


@dataclass(frozen=True, slots=True)
class Column:
    """Column of features: its name, its transformer's key, and how trees use it."""

    name: str
    transformer: str
    categorical: bool = False
    monotone: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Flights to score, without outcomes.

    Attributes
    ----------
    schedule
        The columns of `data.schema.SCHEDULE_COLUMNS`, one row per flight.
    matrix
        Features, shape ``(n, len(columns))``.
    columns
        Descriptions of the columns of `matrix`.
    """

    schedule: pd.DataFrame
    matrix: FloatArray
    columns: tuple[Column, ...]

    def __len__(self) -> int:
        return len(self.matrix)

    @property
    def flights(self) -> Flights:
        """Return the flights as transformers read them."""
        return Flights.from_columns(self.schedule)

    def pick(self, rows: IntArray) -> Table:
        """Return the flights at the given positions, in their order."""
        return replace(self, schedule=self.schedule.iloc[rows], matrix=self.matrix[rows])

    def without(self, dropped: Collection[str]) -> Table:
        """Leave out columns, given by their names or the keys of their transformers."""
        kept = [
            position
            for position, column in enumerate(self.columns)
            if column.name not in dropped and column.transformer not in dropped
        ]
        columns = tuple(self.columns[position] for position in kept)
        return replace(self, matrix=self.matrix[:, kept], columns=columns)

    def beside(self, columns: tuple[Column, ...], matrix: FloatArray) -> Table:
        """Return the flights with more columns."""
        joined = np.column_stack([self.matrix, matrix])
        return replace(self, matrix=joined, columns=(*self.columns, *columns))

    def positions(self, transformer: str) -> list[int]:
        """Return the positions of a transformer's columns."""
        return [at for at, column in enumerate(self.columns) if column.transformer == transformer]

    def categorical(self) -> list[int]:
        """Return the positions of the columns that hold codes."""
        return [at for at, column in enumerate(self.columns) if column.categorical]


@dataclass(frozen=True, slots=True)
class Training:
    """Training flights in order of time.

    Attributes
    ----------
    table
        Point-in-time features of each flight.
    label
        Soft labels of the served model, shape ``(n,)``.
    outcomes
        Outcomes of the flights.
    """

    table: Table
    label: FloatArray
    outcomes: Outcomes

    def __len__(self) -> int:
        return len(self.table)

    @property
    def late(self) -> BoolArray:
        """Return whether each flight left late, shape ``(n,)``."""
        return self.outcomes.delayed

    @property
    def day(self) -> IntArray:
        """Return the scheduled days since 1970-01-01, shape ``(n,)``."""
        departure = self.table.schedule["scheduled_departure"].to_numpy()
        days: IntArray = departure.astype("datetime64[D]").astype(np.int64)
        return days

    def pick(self, rows: IntArray) -> Training:
        """Return the flights at the given positions, in their order."""
        known = Outcomes(
            self.outcomes.delayed[rows],
            self.outcomes.delay_minutes[rows],
            self.outcomes.departure[rows],
        )
        return Training(self.table.pick(rows), self.label[rows], known)

    def on(self, table: Table) -> Training:
        """Return the outcomes with other features."""
        return replace(self, table=table)

    def split_last(self, weeks: int) -> tuple[Training, Training]:
        """Split off the last weeks; return the flights before them, and theirs."""
        recent = self.day > self.day.max() - 7 * weeks
        return self.pick(np.flatnonzero(~recent)), self.pick(np.flatnonzero(recent))


Score = Callable[[Table], FloatArray]
"""Function that returns the probability of each flight of a table, shape ``(n,)``."""


class Method(Protocol):
    """Way to learn, as a dataclass of its settings; results are kept under its `method_id`."""

    kind: ClassVar[str]
    """Stable name of the class in results: never change it."""

    def fit(self, training: Training, seed: int) -> Score:
        """Learn from the training flights alone and return a function that scores others."""
        ...


def method_id(method: Any) -> str:
    """Return the id under which results of a method are kept: its kind and all its settings.

    It does not contain the name of the class, so that a renamed class keeps its results.

    Parameters
    ----------
    method
        A `Method` that is a dataclass; settings are plain values or other methods.
    """
    settings = {each.name: getattr(method, each.name) for each in fields(method)}
    texts = [
        f"{name}={method_id(value) if is_dataclass(value) else repr(value)}"
        for name, value in settings.items()
    ]
    return f"{method.kind}({', '.join(texts)})"
