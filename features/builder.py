"""Turn flights into a matrix of features: one code path for training and for serving."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Self, cast

import numpy as np

from data.airports.config import SANTIAGO, AirportConfig
from data.flights import Columns, Flights, IntArray, Outcomes
from features.airport import AirportNow
from features.calendar import Clock, Holidays, Season
from features.codes import Codes
from features.history import LONG_RUN, History
from features.route import Route
from features.timetable import Timetable
from features.transformer import (
    AirportTransformer,
    FloatMatrix,
    HistoryTransformer,
    JsonObject,
    OutcomeTransformer,
    ScheduleTransformer,
    Transformer,
)

FORMAT = 2
"""Version of the saved form; raised when a change would misread older files."""


class Level(StrEnum):
    """Data that is available when a flight is scored."""

    SCHEDULE = "schedule"
    """The schedule, and outcomes up to a fit that may be months ago."""
    FRESH = "fresh"
    """Outcomes up to the day before, and the airport's state where the request gives it."""
    TWO_SIDED_DAYS = "between days"
    """Outcomes of the days before and after: for the evaluation split by day (E2) only."""
    TWO_SIDED_ROWS = "between rows"
    """Those and outcomes of the same day: for the evaluation by random split (E1) only."""


class FeatureBuilder:
    """Builder that joins the columns of all transformers into one matrix.

    Examples
    --------
    >>> builder = FeatureBuilder().fit(frame, outcomes)  # doctest: +SKIP
    >>> builder.transform(flights).shape == (len(flights), len(builder.feature_names))
    ... # doctest: +SKIP
    True
    """

    def __init__(
        self, level: Level = Level.SCHEDULE, airport_config: AirportConfig = SANTIAGO
    ) -> None:
        self.level = level
        self.airport_config = airport_config
        self.codes = Codes(airport_config)
        self._compose(self.codes, *_transformers(level, airport_config))

    def fit(self, frame: Columns, outcomes: Outcomes | None = None) -> Self:
        """Learn from the training flights.

        Parameters
        ----------
        frame
            The typed frame of `data.load.load_flights`, or any mapping with its schedule
            columns. Its operated columns are never read.
        outcomes
            Outcomes of these flights, row for row; without them there is no history.
        """
        flights = Flights.from_columns(frame)
        for each in self._transformers:
            _fit(each, flights, outcomes)
        return self

    def refreshed(self, frame: Columns, outcomes: Outcomes) -> FeatureBuilder:
        """Return a copy with history and timetable as of the end of these flights.

        A daily refresh uses it instead of fitting the model again: codes, calendar and distances
        stay as they were trained.
        """
        newer = FeatureBuilder(self.level, self.airport_config).fit(frame, outcomes)
        pairs = zip(self._transformers, newer.transformers, strict=True)
        newer.codes = self.codes
        newer._compose(*(new if isinstance(new, HistoryTransformer) else old for old, new in pairs))  # noqa: SLF001 - of the same class
        return newer

    def transform(self, flights: Flights) -> FloatMatrix:
        """Return the features, shape ``(len(flights), len(feature_names))``, row for row.

        History is as of the end of the fit.

        Raises
        ------
        ValueError
            If a flight lies outside the years that the calendar covers.
        """
        matrix = np.empty((len(flights), len(self.feature_names)))
        for transformer, columns in self._slots:
            transformer.write(flights, matrix[:, columns])
        return matrix

    def point_in_time(self, flights: Flights, as_of: IntArray) -> FloatMatrix:
        """Return the features as they were on the day `as_of` of each flight, for training.

        Parameters
        ----------
        as_of
            Days since 1970-01-01, shape ``(n,)``; outcomes and schedules from that day on are
            not used. At the two-sided levels, outcomes before and after each flight's own day are
            used instead, and the flights must be those of the fit, in its order.
        """
        matrix = np.empty((len(flights), len(self.feature_names)))
        for transformer, columns in self._slots:
            if isinstance(transformer, HistoryTransformer):
                transformer.point_in_time(flights, as_of, matrix[:, columns])
            else:
                transformer.write(flights, matrix[:, columns])
        return matrix

    def unknown(self, flights: Flights) -> list[list[str]]:
        """List, for each flight, which of its airline and destination training never saw."""
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
    def as_of(self) -> int:
        """Return the day (since 1970-01-01) up to whose beginning outcomes are included."""
        return next(each.as_of_ for each in self._transformers if isinstance(each, History))

    @property
    def transformers(self) -> Sequence[Transformer]:
        """Return the transformers, in the order of their columns."""
        return self._transformers

    def columns_of(self, key: str) -> list[int]:
        """Return the positions of a transformer's columns; empty if the level does not have it."""
        return [
            position
            for each, columns in self._slots
            if each.key == key
            for position in range(columns.start, columns.stop)
        ]

    def to_json(self) -> str:
        """Return all that was learned as one JSON text; the same state gives the same text."""
        state = {each.key: each.to_json() for each in self._transformers}
        saved = {"format": FORMAT, "level": self.level, "families": state}
        # models that were saved before other airports were supported have no "home": Santiago
        if self.airport_config != SANTIAGO:
            saved["home"] = self.airport_config.to_json()
        return json.dumps(saved, ensure_ascii=False, separators=(",", ":"))

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
        airport_config = SANTIAGO
        if "home" in saved:
            airport_config = AirportConfig.from_json(saved["home"])
        builder = cls(Level(saved["level"]), airport_config)
        state = saved["families"]
        transformers = [_restored(each, state[each.key]) for each in builder.transformers]
        builder.codes = next(each for each in transformers if isinstance(each, Codes))
        builder._compose(*transformers)
        return builder

    def _compose(self, *transformers: Transformer) -> None:
        self._transformers = transformers
        self.feature_names = tuple(name for each in transformers for name in each.names)
        self.categorical = tuple(name for each in transformers for name in each.categorical)
        self.monotone = tuple(name for each in transformers for name in each.monotone)
        self._slots: list[tuple[Transformer, slice]] = []
        start = 0
        for each in transformers:
            self._slots.append((each, slice(start, start + len(each.names))))
            start += len(each.names)


def _transformers(level: Level, airport_config: AirportConfig) -> list[Transformer]:
    """Return the transformers of a level, codes excepted, in the order of their columns."""
    calendar: list[Transformer] = [Clock(), Holidays(airport_config=airport_config)]
    match level:
        case Level.SCHEDULE:
            history = History((LONG_RUN,), airport_config)
            return [*calendar, Timetable(), history, Route(airport_config)]
        case Level.FRESH:
            history = History((LONG_RUN, 10.0, 2.0), airport_config)
            return [*calendar, Timetable(), history, AirportNow(), Route(airport_config)]
    return [*calendar, *_two_sided(level, airport_config), Route(airport_config)]


def _two_sided(level: Level, airport_config: AirportConfig) -> list[Transformer]:
    """Return the transformers of the two-sided levels, in the order of their columns."""
    # the bento does not contain features/two_sided: only the evaluation imports it
    from features.two_sided.history import TwoSidedHistory, TwoSidedTimetable  # noqa: PLC0415
    from features.two_sided.neighbours import Neighbours  # noqa: PLC0415

    same_day = level is Level.TWO_SIDED_ROWS
    history = TwoSidedHistory(same_day=same_day, airport_config=airport_config)
    neighbours = [Neighbours()] if same_day else []
    return [Season(airport_config), TwoSidedTimetable(), history, *neighbours]


def _restored(transformer: Transformer, saved: JsonObject) -> Transformer:
    if isinstance(transformer, AirportTransformer):
        return type(transformer).from_json(saved, transformer.airport_config)
    return type(transformer).from_json(saved)


def _fit(transformer: Transformer, flights: Flights, outcomes: Outcomes | None) -> None:
    if isinstance(transformer, OutcomeTransformer):
        transformer.fit(flights, outcomes)
    else:
        cast("ScheduleTransformer", transformer).fit(flights)
