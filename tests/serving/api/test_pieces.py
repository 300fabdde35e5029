"""Large bodies are read piece by piece: the same flights, the same refusals."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from data.flights import Flights
from serving.api.large_requests import BulkReader, DecodedRequest, read
from serving.api.pieces import PIECE_BYTES, cut
from serving.contract.schema import EXAMPLE_FLIGHT, EXAMPLE_STATE, MAX_FLIGHTS
from serving.errors import Invalid, NotJson

MANY = 1_000
INSERTED = (b"},{", b"]}", b'"', b"\\", b"},", b"{", b'],"flights":[')


def _flights(count: int = MANY) -> list[dict[str, Any]]:
    """Flights that can be told apart."""
    return [{**EXAMPLE_FLIGHT, "flight_number": str(n)} for n in range(1, count + 1)]


def _outcome(reader: Callable[[bytes], Any], body: bytes) -> Any:
    """What a reader makes of a body: columns or refusal, in a form that compares."""
    try:
        asked = reader(body)
    except (NotJson, Invalid) as refusal:
        return type(refusal), str(refusal), refusal.errors
    flights: Flights = asked.flights
    columns = (flights.airline, flights.flight_number, flights.destination, flights.flight_type)
    airport = None if flights.airport is None else np.nan_to_num(flights.airport).tolist()
    return [list(each) for each in columns], flights.departure.tolist(), airport, asked.explain


def read_large(body: bytes) -> DecodedRequest:
    """Read a body as the service does."""
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
def test_flights_are_those_of_the_whole(text: str) -> None:
    """However it is spaced, a large body is cut, and gives the same flights in their order."""
    pieces = cut(text.encode())
    assert len(pieces) >= len(text) // PIECE_BYTES // 2 > 1
    assert max(map(len, pieces)) < 2 * PIECE_BYTES
    numbers = [f["flight_number"] for piece in pieces for f in json.loads(piece)["flights"]]
    assert numbers == [str(n) for n in range(1, MANY + 1)]
    assert _outcome(read_large, text.encode()) == _outcome(read, text.encode())


OTHERS = {
    "explained": json.dumps({"flights": _flights(), "explain": True}),
    "explained, told first": json.dumps({"explain": True, "flights": _flights()}),
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
def test_whatever_is_odd_is_read_as_the_whole(text: str) -> None:
    """What cannot be cut, and what is wrong, comes out as if nothing had been cut."""
    assert _outcome(read_large, text.encode()) == _outcome(read, text.encode())


def test_broken_at_random_it_is_refused_alike() -> None:
    """Bytes lost, doubled or changed anywhere: both readers say the same, or give the same."""
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


def test_a_refusal_names_places_in_the_whole() -> None:
    """The index of a wrong flight is counted from the first of the body, not of its piece."""
    flights = _flights()
    flights[700]["airline"] = "lan"
    with pytest.raises(Invalid) as refusal:
        read_large(json.dumps({"flights": flights}).encode())
    assert refusal.value.errors is not None
    assert refusal.value.errors[0]["flight"] == 700
