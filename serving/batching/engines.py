"""Engine interface, the scoring function that every engine calls, and two engines.

The default engine is `serving.batching.adaptive.AdaptiveBatcher`. The two here are BentoML's own
adaptive batching and no batching.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import perf_counter
from typing import Any, Protocol

import numpy as np

from data.flights import AIRPORT_FIGURES, Flights
from model.inference.predictor import Predictor
from serving import metrics

Row = list[Any]
ScoreBatch = Callable[[Flights], list[float]]
"""Function that returns the probability of each flight of a batch, in order."""


class Engine(Protocol):
    """Engine that scores flights; concurrent requests may share one call of the model."""

    def score(self, flights: Flights) -> Awaitable[list[float]]:
        """Return the probability of each flight, in order.

        Raises
        ------
        Overloaded
            If too many flights are waiting already.
        InternalError
            If these flights cannot be scored; other requests are not affected.
        """
        ...


def score_batch(predictor: Predictor, flights: Flights) -> list[float]:
    """Return the probability of each flight, from one feature pass and one call of the model.

    The flights may come from many requests. Every engine scores by this function.
    """
    metrics.buffer.batch_flights.observe(len(flights))
    started = perf_counter()
    probabilities: list[float] = predictor.score(flights).tolist()
    metrics.buffer.predict_seconds.observe(perf_counter() - started)
    return probabilities


class Unbatched:
    """Engine without batching: scores each request in slices and lets others run in between.

    Parameters
    ----------
    score
        Called with at most `max_batch` flights of one request.
    """

    def __init__(self, score: ScoreBatch, max_batch: int) -> None:
        self._score = score
        self._max_batch = max_batch

    async def score(self, flights: Flights) -> list[float]:
        """See `Engine.score`."""
        probabilities: list[float] = []
        for start in range(0, len(flights), self._max_batch):
            if start:
                await asyncio.sleep(0)
            probabilities += self._score(flights.slice(start, start + self._max_batch))
        return probabilities


class BentoBatcher:
    """Engine that sends flights to BentoML's adaptive batching and returns its probabilities.

    Parameters
    ----------
    call
        Batchable method of the service, called through BentoML's own client: each call is a
        request that passes through the whole BentoML application inside this process.
    model
        Full tag of the model; added to each row, because BentoML's dispatcher joins rows of
        requests that began with different models.
    """

    def __init__(self, call: Callable[[list[Row]], Awaitable[list[float]]], model: str) -> None:
        self._call = call
        self._model = model

    async def score(self, flights: Flights) -> list[float]:
        """See `Engine.score`."""
        return await self._call([[*row, self._model] for row in to_rows(flights)])


def score_rows(predictors: Mapping[str, Predictor], rows: Sequence[Row]) -> list[float]:
    """Score the rows of a `BentoBatcher`, each by the model that it names, in order."""
    scores = [math.nan] * len(rows)
    for tag in {row[-1] for row in rows}:
        positions = [position for position, row in enumerate(rows) if row[-1] == tag]
        flights = from_rows([rows[position][:-1] for position in positions])
        probabilities = score_batch(predictors[tag], flights)
        for position, probability in zip(positions, probabilities, strict=True):
            scores[position] = probability
    return scores


def to_rows(flights: Flights) -> list[Row]:
    """Return one list per flight: BentoML's dispatcher counts and joins lists.

    The last entry holds the figures of the airport, ``None`` for missing ones: rows are sent as
    JSON, which has no NaN.
    """
    columns = (
        flights.airline,
        flights.flight_number,
        flights.destination,
        flights.flight_type,
        flights.departure.tolist(),
        _airport_rows(flights),
    )
    return [list(row) for row in zip(*columns, strict=True)]


def from_rows(rows: Sequence[Row]) -> Flights:
    """Return the flights that `to_rows` made rows of."""
    airline, flight_number, destination, flight_type, departure, airport = zip(*rows, strict=True)
    minutes = np.array(departure, dtype=np.int64)
    flights = Flights(airline, flight_number, destination, flight_type, minutes)
    if all(figures is None for figures in airport):
        return flights
    nothing = [None] * AIRPORT_FIGURES
    return flights.seen(np.array([figures or nothing for figures in airport], dtype=np.float64))


def _airport_rows(flights: Flights) -> list[list[float | None] | None]:
    if flights.airport is None:
        return [None] * len(flights)
    figures: list[list[float]] = flights.airport.tolist()
    rows = [[None if math.isnan(each) else each for each in row] for row in figures]
    return [row if any(each is not None for each in row) else None for row in rows]
