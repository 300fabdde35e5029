"""The one code path from flights to numbers, for training and for serving."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Self

import numpy as np

from data.flights import Columns, Flights
from features.calendar import Clock, Holidays
from features.codes import Codes
from features.congestion import Congestion
from features.family import FeatureFamily, FloatMatrix
from features.route import Route

FORMAT = 1
"""Version of the saved form; raised when a change would misread older files."""


class FeatureBuilder:
    """Compose the families of features into one matrix.

    Examples
    --------
    >>> builder = FeatureBuilder().fit(frame)  # doctest: +SKIP
    >>> builder.transform(flights).shape == (len(flights), len(builder.feature_names))
    ... # doctest: +SKIP
    True
    """

    def __init__(self) -> None:
        self.codes = Codes()
        self._compose(self.codes, Clock(), Holidays(), Congestion(), Route())

    def fit(self, frame: Columns) -> Self:
        """Learn from the schedule of the training flights.

        Parameters
        ----------
        frame
            The typed frame of `data.sources.load_flights`, or any mapping with its schedule
            columns. Its operated columns are never read.
        """
        flights = Flights.from_columns(frame)
        for family in self._families:
            family.fit(flights)
        return self

    def transform(self, flights: Flights) -> FloatMatrix:
        """Features of flights, shape ``(len(flights), len(feature_names))``, row for row.

        Raises
        ------
        ValueError
            If a flight lies outside the years that the calendar covers.
        """
        matrix = np.empty((len(flights), len(self.feature_names)))
        for family, columns in self._slots:
            family.write(flights, matrix[:, columns])
        return matrix

    def unknown(self, flights: Flights) -> list[list[str]]:
        """For each flight, which of its airline and destination training never saw."""
        airlines, destinations = self.codes.airline_, self.codes.destination_
        return [
            [
                name
                for name, seen in (("airline", a in airlines), ("destination", d in destinations))
                if not seen
            ]
            for a, d in zip(flights.airline, flights.destination, strict=True)
        ]

    @property
    def families(self) -> Sequence[FeatureFamily]:
        """The families, in the order of their columns."""
        return self._families

    def to_json(self) -> str:
        """Return all that was learned as one JSON text; the same state gives the same text."""
        state = {family.key: family.to_json() for family in self._families}
        return json.dumps({"format": FORMAT, "families": state}, ensure_ascii=False, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Restore a builder from `to_json`.

        Raises
        ------
        ValueError
            If the text was written in another format.
        """
        saved = json.loads(text)
        if saved.get("format") != FORMAT:
            message = f"saved features have format {saved.get('format')!r}, not {FORMAT}: retrain"
            raise ValueError(message)
        builder = cls()
        state = saved["families"]
        families = [type(family).from_json(state[family.key]) for family in builder.families]
        builder.codes = next(family for family in families if isinstance(family, Codes))
        builder._compose(*families)
        return builder

    def _compose(self, *families: FeatureFamily) -> None:
        self._families = families
        self.feature_names = tuple(name for family in families for name in family.names)
        self.categorical = tuple(name for family in families for name in family.categorical)
        self._slots: list[tuple[FeatureFamily, slice]] = []
        start = 0
        for family in families:
            self._slots.append((family, slice(start, start + len(family.names))))
            start += len(family.names)
