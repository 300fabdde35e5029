"""Decoding of large requests in pieces, so that small ones are answered in between.

JSON is parsed and validated in one call, which blocks the event loop: tens of milliseconds for ten
thousand flights. A large body is cut into small bodies that are decoded one by one.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from data.flights import Flights
from serving.contract.decoding import decode, to_flights
from serving.contract.schema import MAX_FLIGHTS
from serving.errors import Invalid, NotJson, Overloaded

LARGE_BODY = 65_536
"""Bytes above which a body is decoded in pieces."""
PIECE_BYTES = 8_192

_SPACE = rb"[ \t\r\n]*"
_begin = re.compile(
    _SPACE + rb"\{" + _SPACE + rb'"flights"' + _SPACE + rb":" + _SPACE + rb"\["
).match
_between = re.compile(rb"\}" + _SPACE + rb"(,)" + _SPACE + rb"\{").search
_LONGEST_REST = 4_096

_RETRY_LATER = ((b"retry-after", b"1"), (b"connection", b"close"))


@dataclass(frozen=True, slots=True)
class DecodedRequest:
    """Flights of a valid request, and whether to explain their probabilities."""

    flights: Flights
    explain: bool


class BulkReader:
    """Decoder that yields to the event loop between pieces of a large body.

    Bodies are decoded one after the other, so that together they use no more turns of the loop
    than one. A body that cannot be cut, or is not valid, is decoded whole in a thread. That is
    slower for all requests: the interpreter runs one thread at a time, and the loop repeatedly
    waits for it.

    Parameters
    ----------
    max_bytes
        Limit for the sum of all large bodies; further ones are refused.
    """

    def __init__(self, max_bytes: int) -> None:
        self._free = max_bytes
        self._turn = asyncio.Lock()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bulk")

    @contextmanager
    def reservation(self) -> Iterator[Callable[[int], None]]:
        """Reserve memory for one body, released at the end.

        Yields a function to call with the size of the body, whenever more of it is known.

        Raises
        ------
        Overloaded
            By that function, if all large bodies together would exceed the limit.
        """
        held = 0

        def reserve(size: int) -> None:
            nonlocal held
            more = size - held if size > LARGE_BODY else 0
            if more > self._free:
                detail = "Too many large requests are being read: try again in a second."
                raise Overloaded(detail, headers=_RETRY_LATER)
            self._free -= max(more, 0)
            held += max(more, 0)

        try:
            yield reserve
        finally:
            self._free += held

    async def read(self, body: bytes) -> DecodedRequest:
        """Decode and validate a body, large or small.

        Raises
        ------
        NotJson, Invalid
        """
        if len(body) <= LARGE_BODY:
            return read(body)
        pieces = cut(body)
        if len(pieces) > 1:
            # The problem of a piece would point to places in the piece, not in the body.
            with suppress(NotJson, Invalid):
                async with self._turn:
                    request = await _read_pieces(pieces)
                if len(request.flights) <= MAX_FLIGHTS:
                    return request
        return await asyncio.get_running_loop().run_in_executor(self._thread, read, body)


def read(body: bytes) -> DecodedRequest:
    """Decode and validate a body in one call.

    Raises
    ------
    NotJson, Invalid
    """
    request = decode(body)
    return DecodedRequest(to_flights(request.flights, request.airport_state), request.explain)


async def _read_pieces(pieces: list[bytes]) -> DecodedRequest:
    first = decode(pieces[0])
    parts = [to_flights(first.flights, first.airport_state)]
    for piece in pieces[1:]:
        await asyncio.sleep(0)
        parts.append(to_flights(decode(piece).flights, first.airport_state))
    return DecodedRequest(Flights.concatenate(parts), first.explain)


def cut(body: bytes) -> list[bytes]:
    """Return small bodies with the flights of a large one in order, or the body itself.

    The first piece also holds all other fields. A body is cut only if it begins with its flights,
    at commas between braces. Such a comma may be part of a string: then the pieces are not JSON,
    and the caller must decode the whole body. No piece extends beyond the list of flights, because
    that part ends at the first closing bracket. So if all pieces are valid, the whole body is
    valid and has the same flights: lists of JSON values, joined by commas, are a list of these
    values.
    """
    begin = _begin(body)
    end = -1 if begin is None else body.find(b"]", begin.end())
    rest = body[end:]
    if begin is None or end < 0 or not _is_simple(rest):
        return [body]
    at = begin.end()
    pieces = []
    while (comma := _between(body, at + PIECE_BYTES, end)) is not None:
        pieces.append(body[at : comma.start(1)])
        at = comma.end(1)
    pieces.append(body[at:end])
    ends = [rest, *[b"]}"] * (len(pieces) - 1)]
    return [b'{"flights":[%b%b' % both for both in zip(pieces, ends, strict=True)]


def _is_simple(rest: bytes) -> bool:
    """Return whether the text after the flights is short and cannot hold a second list of them."""
    return len(rest) < _LONGEST_REST and b"flights" not in rest and b"\\" not in rest
