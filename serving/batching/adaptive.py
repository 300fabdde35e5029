"""The adaptive batcher inside the endpoint's process: works on what has arrived, nobody waits."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from math import inf
from time import monotonic
from typing import Generic, TypeVar

from data.flights import Flights
from model.inference.predictor import Predictor
from serving import metrics
from serving.batching.engines import score_at_once
from serving.errors import DeadlineExceeded, InternalError, Overloaded

RETRY_AFTER_SECONDS = b"1"
IDLE_BATCHES = 16
"""Batches without a small request after which bulk requests get the whole batch."""

T = TypeVar("T")
Result = list[T] | Exception
"""One value for each flight of a request, in order, or why there are none."""

logger = logging.getLogger("flight_delay")


class PendingRequest(Generic[T]):
    """Flights of one request, processed whole or slice by slice.

    Parameters
    ----------
    deliver
        Called once, with the values of all flights or the reason why there are none; never after
        the job was withdrawn.
    deadline
        Second of the monotonic clock after which nobody wants the values.
    """

    __slots__ = ("_deliver", "_taken", "_values", "deadline", "flights", "over", "since")

    def __init__(
        self, flights: Flights, deliver: Callable[[Result[T]], None], deadline: float
    ) -> None:
        self.flights = flights
        self.deadline = deadline
        self.since = monotonic()
        self.over = False
        self._deliver = deliver
        self._taken = 0
        self._values: list[T] = []

    @property
    def left(self) -> int:
        """Flights that no batch has taken yet."""
        return len(self.flights) - self._taken

    def next_slice(self, size: int) -> Flights:
        """Take the next flights to be processed."""
        start, stop = self._taken, min(self._taken + size, len(self.flights))
        whole = stop - start == len(self.flights)
        part = self.flights if whole else self.flights.slice(start, stop)
        self._taken = stop  # not before: what could not be sliced is still counted as waiting
        return part

    def add(self, values: list[T]) -> None:
        """Take the values of the last slice; deliver once all flights have theirs."""
        if self._values:
            self._values.extend(values)
        else:
            self._values = values
        if len(self._values) == len(self.flights):
            self.end(self._values)

    def end(self, result: Result[T]) -> None:
        """Deliver, unless that was done or nobody waits any more."""
        if self.over:
            return
        self.over = True
        try:
            self._deliver(result)
        except Exception:
            # whatever it is, the other requests of the batch must not feel it
            logger.exception("an answer could not be delivered")


class Batcher(ABC, Generic[T]):
    """Processes what has arrived as one batch, at most one in a turn of the event loop.

    A batch is taken as soon as the event loop has taken in what had arrived. There is no waiting
    window: an idle service answers at once, and under load batches grow by themselves, because
    requests arrive while the batch before them is processed. Requests larger than a batch are
    sliced; each batch takes one slice of them, round robin, beside the small requests, so that
    neither keeps the other waiting.

    Parameters
    ----------
    max_batch
        Flights of small requests in one call of the model; larger requests are bulk.
    max_queue
        Flights of small requests that may wait. While there are as many, requests are refused
        unread: to read them first would be the larger part of the work.
    max_bulk
        The same for bulk requests.
    """

    def __init__(self, max_batch: int, max_queue: int, max_bulk: int) -> None:
        self._max_batch = max_batch
        self._max_queue = max_queue
        self._max_bulk = max_bulk
        self._small: deque[PendingRequest[T]] = deque()
        self._bulk: deque[PendingRequest[T]] = deque()
        self._waiting_small = 0
        self._waiting_bulk = 0
        self._scheduled = False
        self._calm = 0

    @abstractmethod
    def _process(self, flights: Flights) -> list[T]:
        """Return one value for each flight, in order; others wait meanwhile."""

    def _waited(self, seconds: float) -> None:
        """Take note of how long the oldest request of a batch has waited."""

    @property
    def waiting(self) -> int:
        """Flights that were accepted and are not processed yet."""
        return self._waiting_small + self._waiting_bulk

    @property
    def full(self) -> bool:
        """Whether no small request would be accepted."""
        return self._waiting_small >= self._max_queue

    @property
    def full_for_bulk(self) -> bool:
        """Whether no request larger than a batch would be accepted."""
        return self._waiting_bulk >= self._max_bulk

    def values(self, flights: Flights) -> Awaitable[list[T]]:
        """Return one value for each flight, in order; drop the work if nobody awaits it any more.

        Raises
        ------
        Overloaded
            If too many flights are waiting already.
        Failed
            If these flights cannot be processed; other requests are not touched.
        """
        future: asyncio.Future[list[T]] = asyncio.get_running_loop().create_future()
        job = self.submit(flights, partial(_settle, future))
        future.add_done_callback(lambda _: self.withdraw(job))
        return future

    def submit(
        self, flights: Flights, deliver: Callable[[Result[T]], None], deadline: float = inf
    ) -> PendingRequest[T]:
        """Accept flights, and call `deliver` in a later turn of the event loop.

        Raises
        ------
        Overloaded
            If too many flights are waiting already; nothing was accepted then.
        """
        bulk = len(flights) > self._max_batch
        if self.full_for_bulk if bulk else self.full:
            raise no_room()
        job: PendingRequest[T] = PendingRequest(flights, deliver, deadline)
        if bulk:
            self._bulk.append(job)
        else:
            self._small.append(job)
        self._count(job, len(flights))
        self._schedule()
        return job

    def withdraw(self, job: PendingRequest[T]) -> None:
        """Drop what is left of a job: nobody waits for it any more."""
        if not job.over:
            job.over = True
            self._count(job, -job.left)

    def _count(self, job: PendingRequest[T], flights: int) -> None:
        if len(job.flights) > self._max_batch:
            self._waiting_bulk += flights
        else:
            self._waiting_small += flights

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._process_batch)

    def _process_batch(self) -> None:
        self._scheduled = False
        jobs = self._take_small()
        self._calm = 0 if jobs else self._calm + 1
        bulk = self._take_bulk()
        if bulk is not None:
            jobs.append(bulk)
        try:
            self._process_slices(jobs, bulk)
        except Exception as error:  # noqa: BLE001 - nobody may wait for ever, nor those who come after
            for job in jobs:
                self._fail(job, error)
        if bulk is not None and not bulk.over:
            self._bulk.append(bulk)
        if self._small or self._bulk:
            self._schedule()

    def _process_slices(
        self, jobs: list[PendingRequest[T]], bulk: PendingRequest[T] | None
    ) -> None:
        slices = []
        for job in jobs:
            part = job.next_slice(self._bulk_slice() if job is bulk else self._max_batch)
            self._count(job, -len(part))
            slices.append(part)
        if slices:
            self._waited(monotonic() - jobs[0].since)
            self._deliver(jobs, slices)

    def _bulk_slice(self) -> int:
        """Flights of a bulk request to process at once: few while small requests keep coming."""
        return self._max_batch if self._calm > IDLE_BATCHES else max(1, self._max_batch // 4)

    def _take_small(self) -> list[PendingRequest[T]]:
        """Small requests up to a batch."""
        jobs: list[PendingRequest[T]] = []
        now = monotonic()
        room = self._max_batch
        while self._small and len(self._small[0].flights) <= room:
            job = self._small.popleft()
            if self._still_wanted(job, now):
                room -= len(job.flights)
                jobs.append(job)
        return jobs

    def _take_bulk(self) -> PendingRequest[T] | None:
        """The bulk request whose turn it is."""
        while self._bulk:
            job = self._bulk.popleft()
            if self._still_wanted(job, monotonic()):
                return job
        return None

    def _still_wanted(self, job: PendingRequest[T], now: float) -> bool:
        if job.deadline < now and not job.over:
            self._count(job, -job.left)
            job.end(DeadlineExceeded())
        return not job.over

    def _deliver(self, jobs: list[PendingRequest[T]], slices: list[Flights]) -> None:
        try:
            values = self._process(Flights.concatenate(slices))
        except Exception:  # noqa: BLE001 - whatever it is, it must reach only the guilty request
            self._deliver_one_by_one(jobs, slices)
            return
        start = 0
        for job, part in zip(jobs, slices, strict=True):
            stop = start + len(part)
            job.add(values[start:stop])
            start = stop

    def _deliver_one_by_one(self, jobs: list[PendingRequest[T]], slices: list[Flights]) -> None:
        for job, part in zip(jobs, slices, strict=True):
            try:
                values = self._process(part)
            except Exception as error:  # noqa: BLE001 - becomes this request's answer
                self._fail(job, error)
            else:
                job.add(values)

    def _fail(self, job: PendingRequest[T], error: Exception) -> None:
        if not job.over:
            failure = InternalError("These flights could not be scored.")
            failure.__cause__ = error
            self._count(job, -job.left)
            job.end(failure)


class AdaptiveBatcher(Batcher[float]):
    """Scores what has arrived as one batch, inside the endpoint's process."""

    def __init__(
        self, predictor: Predictor, max_batch: int, max_queue: int, max_bulk: int = 40_000
    ) -> None:
        super().__init__(max_batch, max_queue, max_bulk)
        self._predictor = predictor

    def score(self, flights: Flights) -> Awaitable[list[float]]:
        """See `Engine.score`."""
        return self.values(flights)

    def _process(self, flights: Flights) -> list[float]:
        return score_at_once(self._predictor, flights)

    def _waited(self, seconds: float) -> None:
        metrics.buffer.wait_seconds.observe(seconds)


def no_room() -> Overloaded:
    """What a request is told for which there is no room in the queue."""
    detail = "too many flights are waiting: try again in a second"
    return Overloaded(detail, headers=((b"retry-after", RETRY_AFTER_SECONDS),))


def _settle(future: asyncio.Future[list[T]], result: Result[T]) -> None:
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
