"""Large requests: read in pieces, bounded in what they hold, never in the way of small ones."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import suppress
from typing import Any

import pytest

from serving.api import large_requests
from serving.api.large_requests import LARGE_BODY, BulkReader
from serving.contract import decoding
from serving.contract.schema import EXAMPLE_FLIGHT
from serving.errors import Invalid, Overloaded


def body_of(flights: int) -> bytes:
    """A request with so many flights."""
    return json.dumps({"flights": [EXAMPLE_FLIGHT] * flights}).encode()


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the threads that bodies, or pieces of them, were read in."""
    names: list[str] = []
    decode = decoding.decode

    def spy(body: bytes) -> Any:
        names.append(threading.current_thread().name)
        return decode(body)

    monkeypatch.setattr(large_requests, "decode", spy)
    return names


@pytest.mark.parametrize("flights", [1, 1_000])
def test_valid_bodies_are_read_by_the_loop(threads: list[str], flights: int) -> None:
    """A small body at once, a large one in pieces, none of them in a thread."""
    asked = asyncio.run(BulkReader(10**7).read(body_of(flights)))
    assert len(asked.flights) == flights
    assert set(threads) == {"MainThread"}
    assert len(threads) == 1 if flights == 1 else len(threads) > 10


@pytest.mark.parametrize("broken", ['"lan"', '"},{"', '"[]"'])
def test_a_large_body_that_cannot_be_cut_is_read_beside_the_loop(
    threads: list[str], broken: str
) -> None:
    """What is wrong in it is found in the whole, by the thread."""
    body = body_of(1_000).replace(b'"LAN"', broken.encode(), 1)
    with pytest.raises(Invalid, match="/flights/0/airline"):
        asyncio.run(BulkReader(10**7).read(body))
    assert threads[-1].startswith("bulk")


def test_others_get_their_turn_while_a_large_body_is_read() -> None:
    """Between two pieces the loop does what else there is to do."""
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
    """Of several, one is finished before the next is begun; a client that leaves lets it go on."""

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


def test_what_is_wrong_with_a_large_body_is_told() -> None:
    """The refusal of the thread reaches the caller, with the index of the flight."""
    broken = body_of(1_000).replace(b'"LAN"', b'"lan"', 1)
    with pytest.raises(Invalid) as refusal:
        asyncio.run(BulkReader(10**7).read(broken))
    assert refusal.value.errors is not None
    assert refusal.value.errors[0]["flight"] == 0


def test_large_bodies_hold_no_more_than_they_may() -> None:
    """What would exceed the room is refused as it grows; what ends makes room again."""
    reader = BulkReader(200_000)
    with reader.room() as first:
        first(120_000)
        first(120_000)
        with reader.room() as second:
            second(LARGE_BODY)
            second(80_000)
            with pytest.raises(Overloaded):
                second(80_001)
        with pytest.raises(Overloaded), reader.room() as third:
            third(10**9)
        first(200_000)
    with suppress(ZeroDivisionError), reader.room() as failing:
        failing(200_000)
        raise ZeroDivisionError
    with reader.room() as last:
        last(200_000)
