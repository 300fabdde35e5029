"""Large requests, kept from getting into the way of small ones."""

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
"""Bytes from which on a body is read in pieces."""

PIECE_BYTES = 8_192

_SPACE = rb"[ \t\r\n]*"
_begin = re.compile(
    _SPACE + rb"\{" + _SPACE + rb'"flights"' + _SPACE + rb":" + _SPACE + rb"\["
).match
_between = re.compile(rb"\}" + _SPACE + rb"(,)" + _SPACE + rb"\{").search
_LONGEST_REST = 4_096

_LATER = ((b"retry-after", b"1"), (b"connection", b"close"))


@dataclass(frozen=True, slots=True)
class DecodedRequest:
    """What a valid request asks: the delay of flights, and reasons for it or not."""

    flights: Flights
    explain: bool


class BulkReader:
    """Reads large bodies between the other work of the event loop, and bounds what they hold.

    A body is read in pieces, and everybody else gets a turn after each of them: one body at a
    time, so that many do not take as many turns. One that cannot be cut, or is refused, is read
    in a thread instead. That is slower for all: the interpreter runs one thread at a time, and
    the loop waits for it again and again.

    Parameters
    ----------
    max_bytes
        What all large bodies together may hold; what would exceed it is refused.
    """

    def __init__(self, max_bytes: int) -> None:
        self._free = max_bytes
        self._turn = asyncio.Lock()
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

    async def read(self, body: bytes) -> DecodedRequest:
        """Validate a body, large or small.

        Raises
        ------
        NotJson, Invalid
        """
        if len(body) <= LARGE_BODY:
            return read(body)
        pieces = cut(body)
        if len(pieces) > 1:
            with suppress(NotJson, Invalid):  # a refusal has to name places in the whole
                async with self._turn:
                    asked = await _read_pieces(pieces)
                if len(asked.flights) <= MAX_FLIGHTS:
                    return asked
        return await asyncio.get_running_loop().run_in_executor(self._thread, read, body)


def read(body: bytes) -> DecodedRequest:
    """Validate a body in one go.

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
    """Bodies that together ask what one body asks; that body alone where it cannot be cut.

    All that is said beside the flights stands in the first. Only a body that begins with its
    flights is cut, where a comma stands between braces. That may be inside a text, too: then a
    piece is no JSON, and its reader has to take the whole body. No piece can leave the list,
    because it ends at the first bracket that could close it. So where all pieces are valid the
    whole is, with the same flights in the same order: lists of JSON values, joined by commas, are
    a list of these values.
    """
    begin = _begin(body)
    end = -1 if begin is None else body.find(b"]", begin.end())
    rest = body[end:]
    if begin is None or end < 0 or not _is_modest(rest):
        return [body]
    at = begin.end()
    pieces = []
    while (comma := _between(body, at + PIECE_BYTES, end)) is not None:
        pieces.append(body[at : comma.start(1)])
        at = comma.end(1)
    pieces.append(body[at:end])
    ends = [rest, *[b"]}"] * (len(pieces) - 1)]
    return [b'{"flights":[%b%b' % both for both in zip(pieces, ends, strict=True)]


def _is_modest(rest: bytes) -> bool:
    """Whether what stands behind the flights is short, and does not name flights once more."""
    return len(rest) < _LONGEST_REST and b"flights" not in rest and b"\\" not in rest
