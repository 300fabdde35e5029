"""Interfaces of the transformers that turn flights into columns of features."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt

from data.airports.config import AirportConfig
from data.flights import Flights, IntArray, Outcomes

FloatMatrix = npt.NDArray[np.float64]
JsonObject = dict[str, Any]


class Transformer(Protocol):
    """Transformer that turns flights into one or more columns of numbers.

    `fit` learns from the training flights; `write` has no side effect and never reads an outcome.
    Learned attributes end in an underscore; `to_json` and `from_json` keep them unchanged.
    """

    key: ClassVar[str]
    """Name of the transformer in the saved builder."""

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of its columns, in order."""
        ...

    @property
    def categorical(self) -> tuple[str, ...]:
        """Return those of `names` that hold category codes rather than quantities."""
        ...

    @property
    def monotone(self) -> tuple[str, ...]:
        """Return those of `names` in which a higher value may only raise the probability."""
        ...

    def write(self, flights: Flights, out: FloatMatrix) -> None:
        """Write the columns of `flights`, shape ``(n, len(names))``, into `out`."""
        ...

    def to_json(self) -> JsonObject:
        """Return the learned state as plain JSON values."""
        ...

    @classmethod
    def from_json(cls, saved: JsonObject) -> Self:
        """Restore a fitted transformer from `to_json`."""
        ...


class Stateless:
    """Base of transformers that learn nothing; columns are quantities without constraints."""

    categorical: ClassVar[tuple[str, ...]] = ()
    monotone: ClassVar[tuple[str, ...]] = ()

    def fit(self, flights: Flights) -> Self:  # noqa: ARG002 - there is nothing to learn
        """Return the transformer itself: there is nothing to learn."""
        return self

    def to_json(self) -> JsonObject:
        """Return nothing: there is no state."""
        return {}

    @classmethod
    def from_json(cls, saved: JsonObject) -> Self:  # noqa: ARG003 - there is no state
        """Restore the transformer from `to_json`."""
        return cls()


class ScheduleTransformer(Transformer, Protocol):
    """Transformer that learns from the schedule alone."""

    def fit(self, flights: Flights) -> Self:
        """Learn from the training schedule."""
        ...


@runtime_checkable
class OutcomeTransformer(Transformer, Protocol):
    """Transformer that learns from the outcomes of the training flights too."""

    learns_outcomes: ClassVar[bool]
    """Marks the class: ``isinstance`` compares names of members, not the parameters of `fit`."""

    def fit(self, flights: Flights, outcomes: Outcomes | None = None) -> Self:
        """Learn from the training flights; without outcomes there is no history."""
        ...


@runtime_checkable
class AirportTransformer(Transformer, Protocol):
    """Transformer that uses the airport's configuration, which the builder saves once for all."""

    airport_config: AirportConfig

    @classmethod
    def from_json(cls, saved: JsonObject, airport_config: AirportConfig = ...) -> Self:
        """Restore a fitted transformer from `to_json`, for the airport of the fit."""
        ...


@runtime_checkable
class HistoryTransformer(Transformer, Protocol):
    """Transformer whose columns depend on the day as of which they are written."""

    def point_in_time(self, flights: Flights, as_of: IntArray, out: FloatMatrix) -> None:
        """Write the columns as they were on the day `as_of` of each flight, shape ``(n,)``."""
        ...
