"""Large requests are decoded in pieces, with the same result and within the memory limit."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from data.flights import Flights
from serving.api import large_requests
from serving.api.large_requests import (
    LARGE_BODY,
    PIECE_BYTES,
    BulkReader,
    DecodedRequest,
    cut,
    read,
)
from serving.contract import decoding
from serving.contract.schema import EXAMPLE_FLIGHT, EXAMPLE_STATE, MAX_FLIGHTS
from serving.errors import Invalid, NotJson, Overloaded

MANY = 1_000
INSERTED = (b"},{", b"]}", b'"', b"\\", b"},", b"{", b'],"flights":[')


def body_of(flights: int) -> bytes:
    """Return a request with this number of flights."""
    return json.dumps({"flights": [EXAMPLE_FLIGHT] * flights}).encode()


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the threads that decode bodies or pieces, in order."""
    names: list[str] = []
    decode = decoding.decode

    def spy(body: bytes) -> Any:
        names.append(threading.current_thread().name)
        return decode(body)

    monkeypatch.setattr(large_requests, "decode", spy)
    return names


@pytest.mark.parametrize("flights", [1, 1_000])
def test_valid_bodies_are_read_by_the_loop(threads: list[str], flights: int) -> None:
    """A small body is decoded in one call, a large one in pieces, both by the event loop."""
    request = asyncio.run(BulkReader(10**7).read(body_of(flights)))
    assert len(request.flights) == flights
    assert set(threads) == {"MainThread"}
    assert len(threads) == 1 if flights == 1 else len(threads) > 10


@pytest.mark.parametrize("broken", ['"lan"', '"},{"', '"[]"'])
def test_an_invalid_large_body_is_read_in_a_thread(threads: list[str], broken: str) -> None:
    """The thread decodes the whole body, so that the problem points to a place in it."""
    body = body_of(1_000).replace(b'"LAN"', broken.encode(), 1)
    with pytest.raises(Invalid, match="/flights/0/airline"):
        asyncio.run(BulkReader(10**7).read(body))
    assert threads[-1].startswith("bulk")


def test_the_loop_turns_between_pieces() -> None:
    """Another task runs between two pieces of a large body."""
    turns = 0

    async def main() -> None:
        reading = asyncio.create_task(BulkReader(10**7).read(body_of(1_000)))
        nonlocal turns
        while not reading.done():
            await asyncio.sleep(0)
            turns += 1

    asyncio.run(main())
    assert turns > 10


def test_large_bodies_are_read_one_after_the_other(threads: list[str]) -> None:
    """The next body is begun after the one before; a cancelled one does not block the others."""

    async def main() -> list[int]:
        reader = BulkReader(10**7)
        first, second, third = [
            asyncio.create_task(reader.read(body_of(n))) for n in (1_000, 2_000, 3_000)
        ]
        await asyncio.sleep(0)
        begun = len(threads)
        first.cancel()
        sizes = [len((await each).flights) for each in (second, third)]
        return [begun, *sizes]

    assert asyncio.run(main()) == [1, 2_000, 3_000]


def test_a_problem_of_the_thread_reaches_the_client() -> None:
    """It has the index of the invalid flight."""
    broken = body_of(1_000).replace(b'"LAN"', b'"lan"', 1)
    with pytest.raises(Invalid) as raised:
        asyncio.run(BulkReader(10**7).read(broken))
    assert raised.value.errors is not None
    assert raised.value.errors[0]["flight"] == 0


def test_large_bodies_together_are_limited() -> None:
    """A body that would exceed the limit is refused as it grows; finished ones are subtracted."""
    reader = BulkReader(200_000)
    with reader.reservation() as first:
        first(120_000)
        first(120_000)
        with reader.reservation() as second:
            second(LARGE_BODY)
            second(80_000)
            with pytest.raises(Overloaded):
                second(80_001)
        with pytest.raises(Overloaded), reader.reservation() as third:
            third(10**9)
        first(200_000)
    with suppress(ZeroDivisionError), reader.reservation() as failing:
        failing(200_000)
        raise ZeroDivisionError
    with reader.reservation() as last:
        last(200_000)


def _flights(count: int = MANY) -> list[dict[str, Any]]:
    """Return flights with different numbers."""
    return [{**EXAMPLE_FLIGHT, "flight_number": str(n)} for n in range(1, count + 1)]


def _outcome(reader: Callable[[bytes], Any], body: bytes) -> Any:
    """Return the columns or the problem that a reader makes of a body, in comparable form."""
    try:
        request = reader(body)
    except (NotJson, Invalid) as error:
        return type(error), str(error), error.errors
    flights: Flights = request.flights
    columns = (flights.airline, flights.flight_number, flights.destination, flights.flight_type)
    airport = None if flights.airport is None else np.nan_to_num(flights.airport).tolist()
    return [list(each) for each in columns], flights.departure.tolist(), airport, request.explain


def read_large(body: bytes) -> DecodedRequest:
    """Decode a body as the service does."""
    return asyncio.run(BulkReader(10**8).read(body))


COMPACT = json.dumps({"flights": _flights()}, separators=(",", ":"))
SPACED = json.dumps({"flights": _flights()}, indent=2)
WHOLE = {
    "compact": COMPACT,
    "as Python writes it": json.dumps({"flights": _flights()}),
    "indented": SPACED,
    "by tabs and carriage returns": SPACED.replace("\n", "\r\n").replace("  ", "\t"),
}


@pytest.mark.parametrize("text", WHOLE.values(), ids=WHOLE)
def test_pieces_give_the_same_flights(text: str) -> None:
    """A large body is cut with any white space, and gives the same flights in their order."""
    pieces = cut(text.encode())
    assert len(pieces) >= len(text) // PIECE_BYTES // 2 > 1
    assert max(map(len, pieces)) < 2 * PIECE_BYTES
    numbers = [f["flight_number"] for piece in pieces for f in json.loads(piece)["flights"]]
    assert numbers == [str(n) for n in range(1, MANY + 1)]
    assert _outcome(read_large, text.encode()) == _outcome(read, text.encode())


OTHERS = {
    "explained": json.dumps({"flights": _flights(), "explain": True}),
    "explained, named first": json.dumps({"explain": True, "flights": _flights()}),
    "with the airport's state": json.dumps({"flights": _flights(), "airport_state": EXAMPLE_STATE}),
    "too many flights": json.dumps({"flights": _flights(MAX_FLIGHTS + 1)}),
    "an unknown field": COMPACT.replace('"LAN"', '"LAN","gate":{"a":[{},{}]}', 1),
    "braces in a text": COMPACT.replace('"LAN"', '"},{"', 1),
    "braces in every text": COMPACT.replace('"LAN"', '"},{"'),
    "a flight is no object": COMPACT.replace("[{", "[1,{"),
    "a flight is missing": COMPACT.replace("},{", "},,{", 600),
    "flights twice": COMPACT[:-1] + "," + COMPACT[1:],
    "flights twice, once of few": COMPACT[:-1] + ',"flights":[' + json.dumps(EXAMPLE_FLIGHT) + "]}",
    "two bodies": COMPACT + COMPACT,
    "not whole": COMPACT[:-1],
    "not whole, but ends like one": COMPACT[:-40] + "]}",
    "one more bracket": COMPACT + "}",
    "nested": '{"flights":[' + COMPACT + "]}",
    "text behind the end": COMPACT + " x",
    "a form feed between": COMPACT.replace("},{", "},\f{"),
    "a byte-order mark": "\ufeff" + COMPACT,
    "NaN": COMPACT.replace('"120"', "NaN"),
    "nothing but spaces": " " * 100_000,
}


@pytest.mark.parametrize("text", OTHERS.values(), ids=OTHERS)
def test_unusual_bodies_give_the_same_result(text: str) -> None:
    """Bodies that are not cut, or not valid, give the result of one call of the decoder."""
    assert _outcome(read_large, text.encode()) == _outcome(read, text.encode())


def test_randomly_changed_bodies_give_the_same_result() -> None:
    """Both readers return the same flights or the same problem after a random change."""
    chance = np.random.default_rng(0)
    for _ in range(150):
        body = bytearray(COMPACT.encode())
        at = chance.integers(len(body))
        match chance.integers(4):
            case 0:
                del body[at : at + chance.integers(1, 300)]
            case 1:
                body[at:at] = body[at : at + chance.integers(1, 300)]
            case 2:
                body[at] = chance.choice(list(b'{}[],:" \x00\xff0'))
            case _:
                body[at:at] = INSERTED[chance.integers(len(INSERTED))]
        assert _outcome(read_large, bytes(body)) == _outcome(read, bytes(body))


def test_a_problem_counts_flights_from_the_start_of_the_body() -> None:
    """The index of an invalid flight is not counted from the start of its piece."""
    flights = _flights()
    flights[700]["airline"] = "lan"
    with pytest.raises(Invalid) as raised:
        read_large(json.dumps({"flights": flights}).encode())
    assert raised.value.errors is not None
    assert raised.value.errors[0]["flight"] == 700
