"""What every family of features has in common."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt

from data.airports.config import AirportConfig
from data.flights import Flights, IntArray

FloatMatrix = npt.NDArray[np.float64]
JsonObject = dict[str, Any]


class Transformer(Protocol):
    """One idea about a flight, as one or more columns of numbers.

    `fit` learns from the training flights; `write` is pure, and never sees an outcome. What was
    learned ends in an underscore and survives `to_json` and `from_json` unchanged.
    """

    key: ClassVar[str]
    """Name of the family in the saved builder."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its columns, in order."""
        ...

    @property
    def categorical(self) -> tuple[str, ...]:
        """Those of `names` that hold category codes rather than quantities."""
        ...

    @property
    def monotone(self) -> tuple[str, ...]:
        """Those of `names` that may only raise the probability as they rise."""
        ...

    def write(self, flights: Flights, out: FloatMatrix) -> None:
        """Write the columns of `flights`, shape ``(n, len(names))``, into `out`."""
        ...

    def to_json(self) -> JsonObject:
        """Return what was learned, as plain JSON values."""
        ...

    @classmethod
    def from_json(cls, saved: JsonObject) -> Self:
        """Restore a fitted family from `to_json`."""
        ...


class ScheduleTransformer(Transformer, Protocol):
    """A family that learns from the schedule alone."""

    def fit(self, flights: Flights) -> Self:
        """Learn what this family needs from the training schedule."""
        ...


@runtime_checkable
class AirportTransformer(Transformer, Protocol):
    """A family that leans on facts of the home airport, which are saved once for all families."""

    home: AirportConfig

    @classmethod
    def from_json(cls, saved: JsonObject, home: AirportConfig = ...) -> Self:
        """Restore a fitted family from `to_json`, at home where it was fitted."""
        ...


@runtime_checkable
class HistoryTransformer(Transformer, Protocol):
    """A family whose columns depend on what was known on a given day."""

    def replay(self, flights: Flights, as_of: IntArray, out: FloatMatrix) -> None:
        """Write the columns as they were on the day `as_of` of each flight, shape ``(n,)``."""
        ...
