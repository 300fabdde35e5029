"""What an engine is, and two of the three: no batching, and BentoML's own.

The third, and the default, is `serving.batching.adaptive`.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter
from typing import Any, Protocol

import numpy as np

from data.flights import AIRPORT_FIGURES, Flights
from model.inference.predictor import Predictor
from serving import metrics

Row = list[Any]


class Engine(Protocol):
    """Scores flights; requests that arrive together may share one call of the model."""

    def score(self, flights: Flights) -> Awaitable[list[float]]:
        """Probability of each flight, in order.

        Raises
        ------
        Overloaded
            If too many flights are waiting already.
        Failed
            If these flights cannot be scored; other requests are not touched.
        """
        ...


class Unbatched:
    """Scores every request by itself, in slices, so that others get their turn in between."""

    def __init__(self, predictor: Predictor, max_batch: int) -> None:
        self._predictor = predictor
        self._max_batch = max_batch

    async def score(self, flights: Flights) -> list[float]:
        """See `Engine.score`."""
        probabilities: list[float] = []
        for start in range(0, len(flights), self._max_batch):
            if start:
                await asyncio.sleep(0)
            part = flights.slice(start, start + self._max_batch)
            probabilities += score_at_once(self._predictor, part)
        return probabilities


class BentoBatcher:
    """Hands flights to BentoML's adaptive batching, and takes the probabilities back.

    Parameters
    ----------
    call
        The batchable method of the service, called through BentoML's own client: a request that
        passes through the whole BentoML application inside this process.
    """

    def __init__(self, call: Callable[[list[Row]], Awaitable[list[float]]]) -> None:
        self._call = call

    async def score(self, flights: Flights) -> list[float]:
        """See `Engine.score`."""
        return await self._call(to_rows(flights))


def to_rows(flights: Flights) -> list[Row]:
    """One list per flight, which is what BentoML's dispatcher counts and joins.

    The last entry holds the figures of the airport, ``None`` for what is missing: the rows travel
    as JSON, which knows no NaN.
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
    """Flights of the rows that `to_rows` made."""
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


def score_at_once(predictor: Predictor, flights: Flights) -> list[float]:
    """Probability of each flight, from one feature pass and one call of the model."""
    metrics.buffer.batch_flights.observe(len(flights))
    started = perf_counter()
    probabilities: list[float] = predictor.score(flights).tolist()
    metrics.buffer.predict_seconds.observe(perf_counter() - started)
    return probabilities
