"""Feature of the route: the distance to the destination."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from data.airports.config import SANTIAGO, AirportConfig
from data.dictionary_column import look_up
from data.flights import Flights
from data.reference import great_circle_km
from features.transformer import FloatMatrix, JsonObject


class Route:
    """Transformer that writes the great-circle distance to the destination in kilometres.

    The distances of the destinations in the training schedule are saved with the model; any other
    distance is missing (NaN), which LightGBM handles.
    """

    key: ClassVar[str] = "route"
    names: ClassVar[tuple[str, ...]] = ("distance_km",)
    categorical: ClassVar[tuple[str, ...]] = ()
    monotone: ClassVar[tuple[str, ...]] = ()

    def __init__(self, airport_config: AirportConfig = SANTIAGO) -> None:
        self.airport_config = airport_config
        self.distance_: dict[str, float] = {}

    def fit(self, flights: Flights) -> Self:
        """Look up the distance of every destination in the training schedule."""
        codes, origin = sorted(set(flights.destination)), self.airport_config.airport
        known = ((code, great_circle_km(code, origin)) for code in codes)
        self.distance_ = {code: round(km, 1) for code, km in known if km is not None}
        return self

    def write(self, flights: Flights, out: FloatMatrix) -> None:
        """Write the one column; see `Transformer.write`."""
        distance = self.distance_.get
        out[:, 0] = look_up(
            flights.destination, lambda codes: [distance(code, np.nan) for code in codes]
        )

    def to_json(self) -> JsonObject:
        """Return kilometres by destination."""
        return {"distance_km": self.distance_}

    @classmethod
    def from_json(cls, saved: JsonObject, airport_config: AirportConfig = SANTIAGO) -> Self:
        """Restore a fitted transformer from `to_json`."""
        route = cls(airport_config)
        route.distance_ = dict(saved["distance_km"])
        return route
