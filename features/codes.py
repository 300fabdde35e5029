"""Encode airline, destination, flight number and flight type as category codes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np

from data.airports.config import SANTIAGO, AirportConfig
from data.dictionary_column import look_up, pairs
from data.flights import Flights
from features.transformer import FloatMatrix, JsonObject

UNKNOWN = -1.0
"""Code of a value that was not in the training flights: LightGBM treats it as missing."""


class Codes:
    """Ordinal encoder of airline, destination, flight number and flight type.

    Codes are in descending order of frequency, ties by name, so that they do not depend on the
    order of the flights. Flight numbers with fewer than `MINIMUM_FLIGHTS` flights share the code
    of unknown ones: too few to learn from. Airlines number their flights in blocks (by region, by
    partner), so the number itself is a column too.
    """

    key: ClassVar[str] = "codes"
    names: ClassVar[tuple[str, ...]] = (
        "airline",
        "destination",
        "flight_number",
        "flight_type",
        "number_series",
    )
    categorical: ClassVar[tuple[str, ...]] = names[:4]
    monotone: ClassVar[tuple[str, ...]] = ()

    MINIMUM_FLIGHTS: ClassVar[int] = 20

    def __init__(self, airport_config: AirportConfig = SANTIAGO) -> None:
        self.airport_config = airport_config
        self.airline_: dict[str, float] = {}
        self.destination_: dict[str, float] = {}
        self.flight_number_: dict[str, float] = {}
        self.destination_type_: dict[str, str] = {}

    def fit(self, flights: Flights) -> Self:
        """Learn the codes, and the flight type that goes with each destination."""
        self.airline_ = _ranked(flights.airline)
        self.destination_ = _ranked(flights.destination)
        self.flight_number_ = _ranked(flight_keys(flights), at_least=self.MINIMUM_FLIGHTS)
        self.destination_type_ = _usual_types(flights, self.airport_config)
        return self

    def write(self, flights: Flights, out: FloatMatrix) -> None:
        """Write the five columns; see `Transformer.write`."""
        airline, destination = self.airline_.get, self.destination_.get
        number = self.flight_number_.get
        out[:, 0] = look_up(
            flights.airline, lambda codes: [airline(code, UNKNOWN) for code in codes]
        )
        out[:, 1] = look_up(
            flights.destination, lambda codes: [destination(code, UNKNOWN) for code in codes]
        )
        out[:, 2] = look_up(
            pairs(flights.airline, flights.flight_number),
            lambda keys: [number(code + digits, UNKNOWN) for code, digits in keys],
        )
        out[:, 3] = look_up(
            pairs(flights.flight_type, flights.destination),
            lambda keys: [(given or self.type_of(code)) == "I" for given, code in keys],
        )
        out[:, 4] = look_up(
            flights.flight_number, lambda numbers: [_digits(number) for number in numbers]
        )

    def type_of(self, destination: str) -> str:
        """Return the flight type of a destination: as trained, else by its code's prefix."""
        return self.destination_type_.get(destination) or self.airport_config.type_of(destination)

    def to_json(self) -> JsonObject:
        """Return each code table as the list of its values, most frequent first."""
        return {
            "airline": list(self.airline_),
            "destination": list(self.destination_),
            "flight_number": list(self.flight_number_),
            "destination_type": dict(sorted(self.destination_type_.items())),
        }

    @classmethod
    def from_json(cls, saved: JsonObject, airport_config: AirportConfig = SANTIAGO) -> Self:
        """Restore a fitted transformer from `to_json`."""
        codes = cls(airport_config)
        codes.airline_ = _numbered(saved["airline"])
        codes.destination_ = _numbered(saved["destination"])
        codes.flight_number_ = _numbered(saved["flight_number"])
        codes.destination_type_ = dict(saved["destination_type"])
        return codes


def flight_keys(flights: Flights) -> list[str]:
    """Join airline and number, e.g. ``"LAN120"``: airlines use the same numbers."""
    return [a + n for a, n in zip(flights.airline, flights.flight_number, strict=True)]


def _usual_types(flights: Flights, airport_config: AirportConfig) -> dict[str, str]:
    """Return the most frequent flight type of each destination; on a tie, that of its code."""
    pairs = Counter(zip(flights.destination, flights.flight_type, strict=True))
    usual: dict[str, str] = {}
    for destination in sorted(set(flights.destination)):
        region = airport_config.type_of(destination)
        other = "I" if region == "N" else "N"
        usual[destination] = (
            other if pairs[destination, other] > pairs[destination, region] else region
        )
    return usual


def _digits(flight_number: str) -> int:
    """Return the number without the letter at the end that a few have."""
    return int(flight_number) if flight_number.isdigit() else int(flight_number[:-1])


def _ranked(values: Sequence[str], at_least: int = 1) -> dict[str, float]:
    counts = Counter(values)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return _numbered([value for value, count in ordered if count >= at_least])


def _numbered(values: Sequence[str]) -> dict[str, float]:
    return dict(zip(values, np.arange(len(values), dtype=float).tolist(), strict=True))
