"""What every family of features has in common."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, Self

import numpy as np
import numpy.typing as npt

from data.flights import Flights

FloatMatrix = npt.NDArray[np.float64]
JsonObject = dict[str, Any]


class FeatureFamily(Protocol):
    """One idea about a flight, as one or more columns of numbers.

    `fit` learns from the schedule of the training flights and nothing else; `write` is pure. What
    was learned ends in an underscore and survives `to_json` and `from_json` unchanged.
    """

    key: ClassVar[str]
    """Name of the family in the saved builder."""
    names: ClassVar[tuple[str, ...]]
    """Names of its columns, in order."""
    categorical: ClassVar[tuple[str, ...]]
    """Those of `names` that hold category codes rather than quantities."""

    def fit(self, flights: Flights) -> Self:
        """Learn what this family needs from the training schedule."""
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
