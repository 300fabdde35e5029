"""The one code path from flights to numbers, for training and for serving."""

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
    ScheduleTransformer,
    Transformer,
)
from features.two_sided.history import HistoryBetween, TimetableBetween
from features.two_sided.neighbours import Neighbours

FORMAT = 2
"""Version of the saved form; raised when a change would misread older files."""


class Level(StrEnum):
    """What is known when a flight is scored."""

    SCHEDULE = "schedule"
    """The schedule, and outcomes up to a fit that may be months ago."""
    FRESH = "fresh"
    """Outcomes up to the day before, and the airport's state where it is told."""
    BETWEEN_DAYS = "between days"
    """Outcomes of the days before and after: for evaluation by held-out days only."""
    BETWEEN_ROWS = "between rows"
    """Those and outcomes of the same day: for evaluation by random rows only."""


class FeatureBuilder:
    """Compose the families of features into one matrix.

    Examples
    --------
    >>> builder = FeatureBuilder().fit(frame, outcomes)  # doctest: +SKIP
    >>> builder.transform(flights).shape == (len(flights), len(builder.feature_names))
    ... # doctest: +SKIP
    True
    """

    def __init__(self, level: Level = Level.SCHEDULE, home: AirportConfig = SANTIAGO) -> None:
        self.level = level
        self.home = home
        self.codes = Codes(home)
        self._compose(self.codes, *_families(level, home))

    def fit(self, frame: Columns, outcomes: Outcomes | None = None) -> Self:
        """Learn from the training flights.

        Parameters
        ----------
        frame
            The typed frame of `data.load.load_flights`, or any mapping with its schedule
            columns. Its operated columns are never read.
        outcomes
            What became of these flights, row for row; without it there is no history.
        """
        flights = Flights.from_columns(frame)
        for family in self._families:
            _fit(family, flights, outcomes)
        return self

    def refreshed(self, frame: Columns, outcomes: Outcomes) -> FeatureBuilder:
        """The same builder with history and timetable as of the end of these flights.

        That is what a daily refresh does without fitting the model again: codes, calendar and
        distances stay as they were trained.
        """
        newer = FeatureBuilder(self.level, self.home).fit(frame, outcomes)
        pairs = zip(self._families, newer.families, strict=True)
        newer.codes = self.codes
        newer._compose(*(new if isinstance(new, HistoryTransformer) else old for old, new in pairs))  # noqa: SLF001 - of the same class
        return newer

    def transform(self, flights: Flights) -> FloatMatrix:
        """Features of flights, shape ``(len(flights), len(feature_names))``, row for row.

        Outcomes are those known at the end of the fit.

        Raises
        ------
        ValueError
            If a flight lies outside the years that the calendar covers.
        """
        matrix = np.empty((len(flights), len(self.feature_names)))
        for family, columns in self._slots:
            family.write(flights, matrix[:, columns])
        return matrix

    def replay(self, flights: Flights, as_of: IntArray) -> FloatMatrix:
        """Features as they were on the day `as_of` of each flight: the rows of training.

        Parameters
        ----------
        as_of
            Days since 1970-01-01, shape ``(n,)``; outcomes and schedules from that day on are
            not seen. At the levels between, each flight sees both sides of its own day instead,
            and the flights are those of the fit, in its order.
        """
        matrix = np.empty((len(flights), len(self.feature_names)))
        for family, columns in self._slots:
            if isinstance(family, HistoryTransformer):
                family.replay(flights, as_of, matrix[:, columns])
            else:
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
    def as_of(self) -> int:
        """Day (since 1970-01-01) before whose beginning all outcomes are known."""
        return next(each.as_of_ for each in self._families if isinstance(each, History))

    @property
    def families(self) -> Sequence[Transformer]:
        """The families, in the order of their columns."""
        return self._families

    def columns_of(self, key: str) -> list[int]:
        """Positions of a family's columns in the matrix; none where the level has no such one."""
        return [
            position
            for family, columns in self._slots
            if family.key == key
            for position in range(columns.start, columns.stop)
        ]

    def to_json(self) -> str:
        """Return all that was learned as one JSON text; the same state gives the same text."""
        state = {family.key: family.to_json() for family in self._families}
        saved = {"format": FORMAT, "level": self.level, "families": state}
        if self.home != SANTIAGO:  # files without a home are Santiago's: models older than this
            saved["home"] = self.home.to_json()
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
        home = AirportConfig.from_json(saved["home"]) if "home" in saved else SANTIAGO
        builder = cls(Level(saved["level"]), home)
        state = saved["families"]
        families = [_restored(family, state[family.key]) for family in builder.families]
        builder.codes = next(family for family in families if isinstance(family, Codes))
        builder._compose(*families)
        return builder

    def _compose(self, *families: Transformer) -> None:
        self._families = families
        self.feature_names = tuple(name for family in families for name in family.names)
        self.categorical = tuple(name for family in families for name in family.categorical)
        self.monotone = tuple(name for family in families for name in family.monotone)
        self._slots: list[tuple[Transformer, slice]] = []
        start = 0
        for family in families:
            self._slots.append((family, slice(start, start + len(family.names))))
            start += len(family.names)


def _families(level: Level, home: AirportConfig) -> list[Transformer]:
    """The families of a level beside the codes, in the order of their columns."""
    calendar: list[Transformer] = [Clock(), Holidays(home=home)]
    match level:
        case Level.SCHEDULE:
            return [*calendar, Timetable(), History((LONG_RUN,), home), Route(home)]
        case Level.FRESH:
            recent = History((LONG_RUN, 10.0, 2.0), home)
            return [*calendar, Timetable(), recent, AirportNow(), Route(home)]
    same_day = level is Level.BETWEEN_ROWS
    neighbours: list[Transformer] = [Neighbours()] if same_day else []
    between = HistoryBetween(same_day=same_day, home=home)
    return [*calendar, Season(home), TimetableBetween(), between, *neighbours, Route(home)]


def _restored(family: Transformer, saved: JsonObject) -> Transformer:
    if isinstance(family, AirportTransformer):
        return type(family).from_json(saved, family.home)
    return type(family).from_json(saved)


def _fit(family: Transformer, flights: Flights, outcomes: Outcomes | None) -> None:
    if isinstance(family, History | Neighbours):
        family.fit(flights, outcomes)
    else:
        cast("ScheduleTransformer", family).fit(flights)
