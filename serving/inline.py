"""The adaptive batcher inside the endpoint's process: scores what has arrived, nobody waits."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from math import inf
from time import monotonic

from data.flights import Flights
from model.predictor import Predictor
from serving import metrics
from serving.batching import score_at_once
from serving.errors import Failed, Overloaded, TooLate

RETRY_AFTER_SECONDS = b"1"
CALM_BATCHES = 16
"""Batches without a small request after which bulk requests get the whole batch."""

Result = list[float] | Exception
"""The probabilities of a request's flights, in order, or why there are none."""

logger = logging.getLogger("flight_delay")


class Job:
    """Flights of one request, scored whole or slice by slice.

    Parameters
    ----------
    deliver
        Called once, with the scores of all flights or the reason why there are none; never after
        the job was withdrawn.
    deadline
        Second of the monotonic clock after which nobody wants the scores.
    """

    __slots__ = ("_deliver", "_scores", "_taken", "deadline", "flights", "over", "since")

    def __init__(
        self, flights: Flights, deliver: Callable[[Result], None], deadline: float
    ) -> None:
        self.flights = flights
        self.deadline = deadline
        self.since = monotonic()
        self.over = False
        self._deliver = deliver
        self._taken = 0
        self._scores: list[float] = []

    @property
    def left(self) -> int:
        """Flights that no batch has taken yet."""
        return len(self.flights) - self._taken

    def next_slice(self, size: int) -> Flights:
        """Take the next flights to be scored."""
        start, stop = self._taken, min(self._taken + size, len(self.flights))
        whole = stop - start == len(self.flights)
        part = self.flights if whole else self.flights.slice(start, stop)
        self._taken = stop  # not before: what could not be sliced is still counted as waiting
        return part

    def add(self, scores: list[float]) -> None:
        """Take the scores of the last slice; deliver once all flights have theirs."""
        self._scores = self._scores + scores if self._scores else scores
        if len(self._scores) == len(self.flights):
            self.end(self._scores)

    def end(self, result: Result) -> None:
        """Deliver, unless that was done or nobody waits any more."""
        if self.over:
            return
        self.over = True
        try:
            self._deliver(result)
        except Exception:
            # whatever it is, the other requests of the batch must not feel it
            logger.exception("an answer could not be delivered")


class InlineBatcher:
    """Scores what has arrived as one batch, inside the endpoint's process.

    A batch is scored as soon as the event loop has taken in what had arrived. There is no waiting
    window: an idle service answers at once, and under load batches grow by themselves, because
    requests arrive while the batch before them is scored. Requests larger than a batch are
    sliced; each batch takes one slice of them beside the small requests, so that neither keeps
    the other waiting.

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

    def __init__(
        self, predictor: Predictor, max_batch: int, max_queue: int, max_bulk: int = 40_000
    ) -> None:
        self._predictor = predictor
        self._max_batch = max_batch
        self._max_queue = max_queue
        self._max_bulk = max_bulk
        self._small: deque[Job] = deque()
        self._bulk: deque[Job] = deque()
        self._waiting_small = 0
        self._waiting_bulk = 0
        self._scheduled = False
        self._calm = 0

    @property
    def waiting(self) -> int:
        """Flights that were accepted and are not scored yet."""
        return self._waiting_small + self._waiting_bulk

    @property
    def full(self) -> bool:
        """Whether no small request would be accepted."""
        return self._waiting_small >= self._max_queue

    def score(self, flights: Flights) -> Awaitable[list[float]]:
        """See `Engine.score`."""
        future: asyncio.Future[list[float]] = asyncio.get_running_loop().create_future()
        job = self.submit(flights, partial(_settle, future))
        future.add_done_callback(lambda _: self.withdraw(job))
        return future

    def submit(
        self, flights: Flights, deliver: Callable[[Result], None], deadline: float = inf
    ) -> Job:
        """Accept flights, and call `deliver` in a later turn of the event loop.

        Raises
        ------
        Overloaded
            If too many flights are waiting already; nothing was accepted then.
        """
        bulk = len(flights) > self._max_batch
        if self._waiting_bulk >= self._max_bulk if bulk else self.full:
            raise no_room()
        job = Job(flights, deliver, deadline)
        if bulk:
            self._bulk.append(job)
        else:
            self._small.append(job)
        self._count(job, len(flights))
        self._schedule()
        return job

    def withdraw(self, job: Job) -> None:
        """Drop what is left of a job: nobody waits for it any more."""
        if not job.over:
            job.over = True
            self._count(job, -job.left)

    def _count(self, job: Job, flights: int) -> None:
        if len(job.flights) > self._max_batch:
            self._waiting_bulk += flights
        else:
            self._waiting_small += flights

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._score_batch)

    def _score_batch(self) -> None:
        self._scheduled = False
        jobs = self._take_small()
        self._calm = 0 if jobs else self._calm + 1
        bulk = self._take_bulk()
        if bulk is not None:
            jobs.append(bulk)
        try:
            self._score_slices(jobs, bulk)
        except Exception as error:  # noqa: BLE001 - nobody may wait for ever, nor those who come after
            for job in jobs:
                self._fail(job, error)
        if bulk is not None and not bulk.over:
            self._bulk.append(bulk)
        if self._small or self._bulk:
            self._schedule()

    def _score_slices(self, jobs: list[Job], bulk: Job | None) -> None:
        slices = []
        for job in jobs:
            part = job.next_slice(self._bulk_slice() if job is bulk else self._max_batch)
            self._count(job, -len(part))
            slices.append(part)
        if slices:
            metrics.tally.wait_seconds.observe(monotonic() - jobs[0].since)
            self._deliver(jobs, slices)

    def _bulk_slice(self) -> int:
        """Flights of a bulk request to score at once: few while small requests keep coming."""
        return self._max_batch if self._calm > CALM_BATCHES else max(1, self._max_batch // 4)

    def _take_small(self) -> list[Job]:
        """Small requests up to a batch."""
        jobs: list[Job] = []
        now = monotonic()
        room = self._max_batch
        while self._small and len(self._small[0].flights) <= room:
            job = self._small.popleft()
            if self._still_wanted(job, now):
                room -= len(job.flights)
                jobs.append(job)
        return jobs

    def _take_bulk(self) -> Job | None:
        """The bulk request whose turn it is."""
        while self._bulk:
            job = self._bulk.popleft()
            if self._still_wanted(job, monotonic()):
                return job
        return None

    def _still_wanted(self, job: Job, now: float) -> bool:
        if job.deadline < now and not job.over:
            self._count(job, -job.left)
            job.end(TooLate())
        return not job.over

    def _deliver(self, jobs: list[Job], slices: list[Flights]) -> None:
        try:
            probabilities = score_at_once(self._predictor, Flights.concatenate(slices))
        except Exception:  # noqa: BLE001 - whatever it is, it must reach only the guilty request
            self._deliver_one_by_one(jobs, slices)
            return
        start = 0
        for job, part in zip(jobs, slices, strict=True):
            stop = start + len(part)
            job.add(probabilities[start:stop])
            start = stop

    def _deliver_one_by_one(self, jobs: list[Job], slices: list[Flights]) -> None:
        for job, part in zip(jobs, slices, strict=True):
            try:
                scores = score_at_once(self._predictor, part)
            except Exception as error:  # noqa: BLE001 - becomes this request's answer
                self._fail(job, error)
            else:
                job.add(scores)

    def _fail(self, job: Job, error: Exception) -> None:
        if not job.over:
            failure = Failed("These flights could not be scored.")
            failure.__cause__ = error
            self._count(job, -job.left)
            job.end(failure)


def no_room() -> Overloaded:
    """What a request is told for which there is no room in the queue."""
    detail = "too many flights are waiting: try again in a second"
    return Overloaded(detail, headers=((b"retry-after", RETRY_AFTER_SECONDS),))


def _settle(future: asyncio.Future[list[float]], result: Result) -> None:
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
