"""Many flights: cut into requests, asked for a few at a time, answered in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice

from scl_delay._bulk.progress import Report
from scl_delay._transport.codec import FlightLike
from scl_delay._transport.constants import MAX_FLIGHTS
from scl_delay._transport.options import ManyOptions
from scl_delay.errors import DelayError, IncompleteError
from scl_delay.models import Prediction

CHUNK, EXPLAINED_CHUNK = 1000, 100
"""Flights of one request: as quick as larger ones, and less is asked twice where one is lost. An
explanation costs the service some 40 times as much as a score."""
CONCURRENCY = 4

Predictions = list[Prediction]


@dataclass(frozen=True)
class Chunk:
    """Flights that follow each other, and the place of the first among all of a call."""

    start: int
    flights: list[FlightLike]

    def halves(self) -> tuple[Chunk, Chunk]:
        """Two chunks of half the size."""
        middle = len(self.flights) // 2
        second = Chunk(self.start + middle, self.flights[middle:])
        return Chunk(self.start, self.flights[:middle]), second


def sizes(options: ManyOptions) -> tuple[int, int]:
    """Return how many flights to put into a request, and how many requests to have under way.

    Raises
    ------
    ValueError
        Where the service takes no such number, or nothing could be asked at all.
    """
    usual = EXPLAINED_CHUNK if options.get("explain") else CHUNK
    chunk = options.get("chunk")
    size = usual if chunk is None else chunk
    concurrency = options.get("concurrency", CONCURRENCY)
    if not 1 <= size <= MAX_FLIGHTS:
        message = f"chunk={size}: a request takes 1 to {MAX_FLIGHTS:,} flights"
        raise ValueError(message)
    if concurrency < 1:
        message = f"concurrency={concurrency}: at least 1 request has to be under way"
        raise ValueError(message)
    return size, concurrency


def length_of(flights: object) -> int | None:
    """How many there are, where they know it."""
    return len(flights) if hasattr(flights, "__len__") else None


def chunked(flights: Iterator[FlightLike], size: int) -> Iterator[Chunk]:
    """Cut into chunks, taking no more flights than the chunk that is asked for."""
    start = 0
    while part := list(islice(flights, size)):
        yield Chunk(start, part)
        start += len(part)


def in_order(
    flights: Iterable[FlightLike],
    send: Callable[[Chunk], Predictions],
    size: int,
    concurrency: int,
) -> Iterator[Predictions]:
    """Send chunks by threads, so many at a time, and yield the answers in order.

    Raises
    ------
    IncompleteError
        Where the service could not be asked about some; `done` is empty.
    """
    source = iter(flights)
    waiting: deque[tuple[Chunk, Future[Predictions]]] = deque()
    pool = ThreadPoolExecutor(concurrency, thread_name_prefix="scl-delay")
    try:
        for chunk in chunked(source, size):
            waiting.append((chunk, pool.submit(send, chunk)))
            if len(waiting) == concurrency:
                yield _head(waiting, source)
        while waiting:
            yield _head(waiting, source)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def reported(
    parts: Iterator[Predictions], report: Report, total: int | None
) -> Iterator[Predictions]:
    """Pass answers on, and tell how many there were."""
    done = 0
    for part in parts:
        done += len(part)
        report(done, total)
        yield part
    if total is None:
        report(done, done)


def _head(
    waiting: deque[tuple[Chunk, Future[Predictions]]], source: Iterator[FlightLike]
) -> Predictions:
    chunk, future = waiting[0]
    try:
        predictions = future.result()
    except DelayError as reason:
        unanswered = chain.from_iterable(each.flights for each, _ in waiting)
        remaining = chain(list(unanswered), source)
        raise IncompleteError(chunk.start, [], remaining, reason) from reason
    waiting.popleft()
    return predictions
