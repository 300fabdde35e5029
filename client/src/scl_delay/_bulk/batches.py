"""Score many flights: split into chunks, sent concurrently, answered in order."""

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
"""Flights per request. Larger chunks are not faster and cost more to repeat after a lost
connection. An explanation costs the service about 40 times as much as a score."""
CONCURRENCY = 4

Predictions = list[Prediction]


@dataclass(frozen=True)
class Chunk:
    """Consecutive flights of a call, and the index of the first one in the call."""

    start: int
    flights: list[FlightLike]

    def halves(self) -> tuple[Chunk, Chunk]:
        """Return two chunks of half the size."""
        middle = len(self.flights) // 2
        second = Chunk(self.start + middle, self.flights[middle:])
        return Chunk(self.start, self.flights[:middle]), second


def sizes(options: ManyOptions) -> tuple[int, int]:
    """Return the number of flights per request, and the number of concurrent requests.

    Raises
    ------
    ValueError
        If either number is out of range.
    """
    usual = EXPLAINED_CHUNK if options.get("explain") else CHUNK
    chunk = options.get("chunk")
    size = usual if chunk is None else chunk
    concurrency = options.get("concurrency", CONCURRENCY)
    if not 1 <= size <= MAX_FLIGHTS:
        message = f"chunk={size}: must be 1 to {MAX_FLIGHTS:,} flights per request"
        raise ValueError(message)
    if concurrency < 1:
        message = f"concurrency={concurrency}: must be at least 1"
        raise ValueError(message)
    return size, concurrency


def length_of(flights: object) -> int | None:
    """Return the number of flights, or None if the iterable has no length."""
    return len(flights) if hasattr(flights, "__len__") else None


def chunked(flights: Iterator[FlightLike], size: int) -> Iterator[Chunk]:
    """Split into chunks; reads only the flights of the chunk that it yields next."""
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
    """Send chunks from `concurrency` threads and yield the answers in order.

    Raises
    ------
    IncompleteError
        If a request fails; `done` is empty.
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
    """Yield the parts unchanged, and report the number of flights after each."""
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
