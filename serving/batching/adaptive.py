"""Adaptive batching inside the endpoint's process, without a waiting window."""

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
from serving import metrics
from serving.batching.engines import ScoreBatch
from serving.errors import DeadlineExceeded, InternalError, Overloaded

RETRY_AFTER_SECONDS = b"1"
IDLE_BATCHES = 16
"""Batches without a small request after which bulk requests get the whole batch."""

T = TypeVar("T")
Result = list[T] | Exception
"""One value for each flight of a request, in order, or the error that the request ends with."""

logger = logging.getLogger("flight_delay")


class PendingRequest(Generic[T]):
    """Flights of one request that are processed whole or slice by slice.

    Parameters
    ----------
    deliver
        Called once, with the values of all flights or an error; never after `Batcher.withdraw`.
    deadline
        Second of the monotonic clock after which the values are of no use.

    Attributes
    ----------
    done
        Whether the result was delivered or the request withdrawn.
    """

    __slots__ = ("_deliver", "_taken", "_values", "arrived", "deadline", "done", "flights")

    def __init__(
        self, flights: Flights, deliver: Callable[[Result[T]], None], deadline: float
    ) -> None:
        self.flights = flights
        self.deadline = deadline
        self.arrived = monotonic()
        self.done = False
        self._deliver = deliver
        self._taken = 0
        self._values: list[T] = []

    @property
    def remaining(self) -> int:
        """Number of flights that no batch has taken yet."""
        return len(self.flights) - self._taken

    def next_slice(self, size: int) -> Flights:
        """Return the next flights to be processed, at most `size`."""
        start, stop = self._taken, min(self._taken + size, len(self.flights))
        whole = stop - start == len(self.flights)
        part = self.flights if whole else self.flights.slice(start, stop)
        self._taken = stop  # last: where slicing fails, the flights still count as waiting
        return part

    def add(self, values: list[T]) -> None:
        """Keep the values of the last slice; deliver once all flights have one."""
        if self._values:
            self._values.extend(values)
        else:
            self._values = values
        if len(self._values) == len(self.flights):
            self.end(self._values)

    def end(self, result: Result[T]) -> None:
        """Deliver the result, unless the request is done."""
        if self.done:
            return
        self.done = True
        try:
            self._deliver(result)
        except Exception:
            # logged and not raised: the other requests of the batch are still to be answered
            logger.exception("an answer could not be delivered")


class Batcher(ABC, Generic[T]):
    """Batcher that processes the flights that have arrived, one batch per turn of the event loop.

    A batch is formed as soon as the event loop has read the requests that had arrived. There is no
    waiting window: an idle service answers at once, and batches grow with load, because requests
    arrive while the batch before is processed. Requests larger than a batch are sliced. Each batch
    takes one slice of them, round robin, after the small requests: neither kind delays the other
    by more than one batch.

    Parameters
    ----------
    max_batch
        Flights of small requests in one call of the model; larger requests are bulk.
    max_queue
        Flights of small requests that may wait. While so many wait, requests are refused unread:
        decoding a request costs more than scoring it.
    max_bulk
        Flights of bulk requests that may wait.
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
        self._idle_batches = 0

    @abstractmethod
    def _process(self, flights: Flights) -> list[T]:
        """Return one value for each flight, in order; blocks the event loop meanwhile."""

    def _waited(self, seconds: float) -> None:
        """Record how long the oldest request of a batch has waited."""

    @property
    def waiting(self) -> int:
        """Number of flights that were accepted and are not processed yet."""
        return self._waiting_small + self._waiting_bulk

    @property
    def full(self) -> bool:
        """Whether small requests are refused for want of room."""
        return self._waiting_small >= self._max_queue

    @property
    def full_for_bulk(self) -> bool:
        """Whether requests larger than a batch are refused for want of room."""
        return self._waiting_bulk >= self._max_bulk

    def values(self, flights: Flights) -> Awaitable[list[T]]:
        """Return one value for each flight, in order; cancelling the result drops the work.

        Raises
        ------
        Overloaded
            If too many flights are waiting already.
        InternalError
            If these flights cannot be processed; other requests are not affected.
        """
        future: asyncio.Future[list[T]] = asyncio.get_running_loop().create_future()
        request = self.submit(flights, partial(_settle, future))
        future.add_done_callback(lambda _: self.withdraw(request))
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
        request: PendingRequest[T] = PendingRequest(flights, deliver, deadline)
        if bulk:
            self._bulk.append(request)
        else:
            self._small.append(request)
        self._count(request, len(flights))
        self._schedule()
        return request

    def withdraw(self, request: PendingRequest[T]) -> None:
        """Drop the flights of a request that are not processed yet, and deliver nothing."""
        if not request.done:
            request.done = True
            self._count(request, -request.remaining)

    def _count(self, request: PendingRequest[T], flights: int) -> None:
        if len(request.flights) > self._max_batch:
            self._waiting_bulk += flights
        else:
            self._waiting_small += flights

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._process_batch)

    def _process_batch(self) -> None:
        self._scheduled = False
        requests = self._take_small()
        self._idle_batches = 0 if requests else self._idle_batches + 1
        bulk = self._take_bulk()
        if bulk is not None:
            requests.append(bulk)
        try:
            self._process_slices(requests, bulk)
        except Exception as error:  # noqa: BLE001 - otherwise these requests would never be answered
            for request in requests:
                self._fail(request, error)
        if bulk is not None and not bulk.done:
            self._bulk.append(bulk)
        if self._small or self._bulk:
            self._schedule()

    def _process_slices(
        self, requests: list[PendingRequest[T]], bulk: PendingRequest[T] | None
    ) -> None:
        slices = []
        for request in requests:
            part = request.next_slice(self._bulk_slice() if request is bulk else self._max_batch)
            self._count(request, -len(part))
            slices.append(part)
        if slices:
            self._waited(monotonic() - requests[0].arrived)
            self._deliver(requests, slices)

    def _bulk_slice(self) -> int:
        """Return how many flights of a bulk request to process: few while small requests arrive."""
        return (
            self._max_batch if self._idle_batches > IDLE_BATCHES else max(1, self._max_batch // 4)
        )

    def _take_small(self) -> list[PendingRequest[T]]:
        """Return the oldest small requests that fit into one batch."""
        requests: list[PendingRequest[T]] = []
        now = monotonic()
        room = self._max_batch
        while self._small and len(self._small[0].flights) <= room:
            request = self._small.popleft()
            if self._still_wanted(request, now):
                room -= len(request.flights)
                requests.append(request)
        return requests

    def _take_bulk(self) -> PendingRequest[T] | None:
        """Return the next bulk request in round-robin order."""
        while self._bulk:
            request = self._bulk.popleft()
            if self._still_wanted(request, monotonic()):
                return request
        return None

    def _still_wanted(self, request: PendingRequest[T], now: float) -> bool:
        if request.deadline < now and not request.done:
            self._count(request, -request.remaining)
            request.end(DeadlineExceeded())
        return not request.done

    def _deliver(self, requests: list[PendingRequest[T]], slices: list[Flights]) -> None:
        try:
            values = self._process(Flights.concatenate(slices))
        except Exception:  # noqa: BLE001 - scored again one by one, so that only the failing one fails
            self._deliver_one_by_one(requests, slices)
            return
        start = 0
        for request, part in zip(requests, slices, strict=True):
            stop = start + len(part)
            request.add(values[start:stop])
            start = stop

    def _deliver_one_by_one(self, requests: list[PendingRequest[T]], slices: list[Flights]) -> None:
        for request, part in zip(requests, slices, strict=True):
            try:
                values = self._process(part)
            except Exception as error:  # noqa: BLE001 - becomes this request's answer
                self._fail(request, error)
            else:
                request.add(values)

    def _fail(self, request: PendingRequest[T], error: Exception) -> None:
        if not request.done:
            failure = InternalError("These flights could not be scored.")
            failure.__cause__ = error
            self._count(request, -request.remaining)
            request.end(failure)


class AdaptiveBatcher(Batcher[float]):
    """Engine that scores the flights that have arrived as one batch; the default.

    Parameters
    ----------
    score
        Called with each batch.
    """

    def __init__(
        self, score: ScoreBatch, max_batch: int, max_queue: int, max_bulk: int = 40_000
    ) -> None:
        super().__init__(max_batch, max_queue, max_bulk)
        self._score = score

    def score(self, flights: Flights) -> Awaitable[list[float]]:
        """See `Engine.score`."""
        return self.values(flights)

    def _process(self, flights: Flights) -> list[float]:
        return self._score(flights)

    def _waited(self, seconds: float) -> None:
        metrics.buffer.wait_seconds.observe(seconds)


def no_room() -> Overloaded:
    """Return the error of a request that finds the queue full."""
    detail = "too many flights are waiting: try again in a second"
    return Overloaded(detail, headers=((b"retry-after", RETRY_AFTER_SECONDS),))


def _settle(future: asyncio.Future[list[T]], result: Result[T]) -> None:
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
