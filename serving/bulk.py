"""Large requests, kept from getting into the way of small ones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from data.flights import Flights
from serving.contract import MAX_FLIGHTS
from serving.decoding import decode, to_flights
from serving.errors import Invalid, NotJson, Overloaded
from serving.pieces import cut

LARGE_BODY = 65_536
"""Bytes from which on a body is read in a thread."""

_LATER = ((b"retry-after", b"1"), (b"connection", b"close"))


@dataclass(frozen=True, slots=True)
class Asked:
    """What a valid request asks: the delay of flights, and reasons for it or not."""

    flights: Flights
    explain: bool


class BulkReader:
    """Reads large bodies in one thread beside the event loop, and bounds what they hold.

    Reading ten thousand flights takes some 50 ms. In a thread it is interrupted as often as the
    interpreter's switch interval says, so that the event loop goes on answering. One thread is
    enough: it shares the interpreter with the loop, and more of them would only slow it down.

    Parameters
    ----------
    max_bytes
        What all large bodies together may hold; what would exceed it is refused.
    """

    def __init__(self, max_bytes: int) -> None:
        self._free = max_bytes
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bulk")

    @contextmanager
    def room(self) -> Iterator[Callable[[int], None]]:
        """Hold room for one body; call what is given with each size that it is known to reach.

        Raises
        ------
        Overloaded
            By that call, if large bodies hold too much already.
        """
        held = 0

        def grow(size: int) -> None:
            nonlocal held
            more = size - held if size > LARGE_BODY else 0
            if more > self._free:
                detail = "too many large requests are being read: try again in a second"
                raise Overloaded(detail, headers=_LATER)
            self._free -= max(more, 0)
            held += max(more, 0)

        try:
            yield grow
        finally:
            self._free += held

    async def read(self, body: bytes) -> Asked:
        """Validate a body, large or small.

        Raises
        ------
        NotJson, Invalid
        """
        if len(body) <= LARGE_BODY:
            return read(body)
        return await asyncio.get_running_loop().run_in_executor(self._thread, read_large, body)


def read(body: bytes) -> Asked:
    """Validate a body in one go.

    Raises
    ------
    NotJson, Invalid
    """
    request = decode(body)
    return Asked(to_flights(request.flights, request.airport_state), request.explain)


def read_large(body: bytes) -> Asked:
    """Validate a body piece by piece: the same result, and the same refusal.

    Raises
    ------
    NotJson, Invalid
    """
    pieces = cut(body)
    if len(pieces) == 1:
        return read(body)
    try:
        flights = Flights.concatenate([read(piece).flights for piece in pieces])
    except (NotJson, Invalid):
        return read(body)  # a refusal names places in the whole
    if len(flights) > MAX_FLIGHTS:
        return read(body)
    return Asked(flights, explain=False)
