"""Score many flights from asyncio; counterpart of `scl_delay._bulk.batches`."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
)
from contextlib import aclosing
from itertools import chain
from typing import Any

from scl_delay._bulk.batches import Chunk, Predictions
from scl_delay._transport.codec import FlightLike
from scl_delay.errors import DelayError, IncompleteError

Flights = Iterable[FlightLike] | AsyncIterable[FlightLike]

_Waiting = deque[tuple[Chunk, "asyncio.Task[Predictions]"]]


async def in_order(
    flights: Flights,
    send: Callable[[Chunk], Awaitable[Predictions]],
    size: int,
    concurrency: int,
) -> AsyncIterator[Predictions]:
    """Send chunks from `concurrency` tasks and yield the answers in order.

    Raises
    ------
    IncompleteError
        If a request fails; `done` is empty.
    """
    source = aiter(flights) if isinstance(flights, AsyncIterable) else iter(flights)
    waiting: _Waiting = deque()
    try:
        async with aclosing(_chunked(source, size)) as chunks:
            async for chunk in chunks:
                waiting.append((chunk, asyncio.ensure_future(_begin(send, chunk))))
                if len(waiting) == concurrency:
                    yield await _head(waiting, source)
        while waiting:
            yield await _head(waiting, source)
    finally:
        for _, task in waiting:
            task.cancel()
        await asyncio.gather(*(task for _, task in waiting), return_exceptions=True)


async def _begin(send: Callable[[Chunk], Awaitable[Predictions]], chunk: Chunk) -> Predictions:
    return await send(chunk)


async def _head(waiting: _Waiting, source: Any) -> Predictions:
    chunk, task = waiting[0]
    try:
        predictions = await task
    except DelayError as reason:
        unanswered = [flight for each, _ in waiting for flight in each.flights]
        raise IncompleteError(chunk.start, [], _rest(unanswered, source), reason) from reason
    waiting.popleft()
    return predictions


def _rest(unanswered: list[FlightLike], source: Any) -> Flights:
    if isinstance(source, Iterator):
        return chain(unanswered, source)
    return _chained(unanswered, source)


async def _chained(
    first: list[FlightLike], then: AsyncIterator[FlightLike]
) -> AsyncIterator[FlightLike]:
    for flight in first:
        yield flight
    async for flight in then:
        yield flight


async def _chunked(
    source: AsyncIterator[FlightLike] | Iterator[FlightLike], size: int
) -> AsyncGenerator[Chunk, None]:
    """Split into chunks; reads only the flights of the chunk that it yields next."""
    flights = _chained([], source) if isinstance(source, AsyncIterator) else _each(source)
    start, part = 0, list[FlightLike]()
    async for flight in flights:
        part.append(flight)
        if len(part) == size:
            yield Chunk(start, part)
            start, part = start + size, []
    if part:
        yield Chunk(start, part)


async def _each(flights: Iterator[FlightLike]) -> AsyncIterator[FlightLike]:
    for flight in flights:
        yield flight
