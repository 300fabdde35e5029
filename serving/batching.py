"""Brings the flights of different requests together, three ways behind one interface."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Protocol

import numpy as np

from data.flights import AIRPORT_FIGURES, Flights
from model.predictor import Predictor
from serving import metrics
from serving.errors import Failed, Overloaded

RETRY_AFTER_SECONDS = b"1"

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


@dataclass(slots=True)
class _Job:
    """Flights of one request, scored whole or slice by slice."""

    flights: Flights
    answer: asyncio.Future[list[float]]
    taken: int = 0
    done: list[float] = field(default_factory=list)
    since: float = field(default_factory=perf_counter)

    @property
    def left(self) -> int:
        """Flights that no batch has taken yet."""
        return len(self.flights) - self.taken

    def next_slice(self, size: int) -> Flights:
        """Take the next flights to be scored."""
        start, self.taken = self.taken, min(self.taken + size, len(self.flights))
        if self.taken - start == len(self.flights):
            return self.flights
        return self.flights.slice(start, self.taken)

    def add(self, probabilities: list[float]) -> None:
        """Take the scores of the slice; answer once all flights have theirs."""
        self.done = self.done + probabilities if self.done else probabilities
        if len(self.done) == len(self.flights) and not self.answer.done():
            self.answer.set_result(self.done)


class InlineBatcher:
    """Scores what has arrived as one batch, inside the endpoint's process.

    A batch is scored as soon as the event loop has taken in what had arrived. There is no waiting
    window: an idle service answers at once, and under load batches grow by themselves, because
    requests arrive while the batch before them is scored. Requests larger than a batch are
    sliced; each batch takes one slice of them beside the small requests, so that neither keeps
    the other waiting.
    """

    def __init__(self, predictor: Predictor, max_batch: int, max_queue: int) -> None:
        self._predictor = predictor
        self._max_batch = max_batch
        self._max_queue = max_queue
        self._small: deque[_Job] = deque()
        self._bulk: deque[_Job] = deque()
        self._waiting = 0
        self._scheduled = False

    @property
    def waiting(self) -> int:
        """Flights that were accepted and are not scored yet."""
        return self._waiting

    def score(self, flights: Flights) -> Awaitable[list[float]]:
        """See `Engine.score`."""
        if self._waiting and self._waiting + len(flights) > self._max_queue:
            detail = f"{self._waiting} flights are waiting: try again in a second"
            raise Overloaded(detail, headers=((b"retry-after", RETRY_AFTER_SECONDS),))
        loop = asyncio.get_running_loop()
        job = _Job(flights, loop.create_future())
        (self._small if len(flights) <= self._max_batch else self._bulk).append(job)
        self._waiting += len(flights)
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._score_batch)
        return job.answer

    def _score_batch(self) -> None:
        jobs = self._take()
        if jobs:
            metrics.wait_seconds.observe(perf_counter() - jobs[0].since)
        slices = [job.next_slice(self._max_batch) for job in jobs]
        self._waiting -= sum(map(len, slices))
        if slices:
            self._deliver(jobs, slices)
        for job in jobs:
            if not job.answer.done():
                self._bulk.append(job)
            else:
                self._waiting -= job.left
        self._scheduled = bool(self._small or self._bulk)
        if self._scheduled:
            asyncio.get_running_loop().call_soon(self._score_batch)

    def _take(self) -> list[_Job]:
        """Small requests up to a batch, and the next slice of one bulk request."""
        jobs: list[_Job] = []
        room = self._max_batch
        while self._small and (not jobs or len(self._small[0].flights) <= room):
            job = self._small.popleft()
            if job.answer.done():  # the caller has left
                self._waiting -= job.left
                continue
            room -= len(job.flights)
            jobs.append(job)
        while self._bulk:
            job = self._bulk.popleft()
            if not job.answer.done():
                jobs.append(job)
                break
            self._waiting -= job.left
        return jobs

    def _deliver(self, jobs: list[_Job], slices: list[Flights]) -> None:
        try:
            probabilities = score_at_once(self._predictor, Flights.concatenate(slices))
        except Exception:  # noqa: BLE001 - whatever it is, it must reach only the guilty request
            self._deliver_one_by_one(jobs, slices)
            return
        start = 0
        for job, part in zip(jobs, slices, strict=True):
            job.add(probabilities[start : start + len(part)])
            start += len(part)

    def _deliver_one_by_one(self, jobs: list[_Job], slices: list[Flights]) -> None:
        for job, part in zip(jobs, slices, strict=True):
            try:
                job.add(score_at_once(self._predictor, part))
            except Exception as error:  # noqa: BLE001 - becomes this request's answer
                failure = Failed("These flights could not be scored.")
                failure.__cause__ = error
                job.answer.set_exception(failure)


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
    metrics.batch_flights.observe(len(flights))
    started = perf_counter()
    probabilities: list[float] = predictor.score(flights).tolist()
    metrics.predict_seconds.observe(perf_counter() - started)
    return probabilities
