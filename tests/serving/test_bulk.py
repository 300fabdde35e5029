"""Large requests: read in a thread, bounded in what they hold, never in the way of small ones."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import suppress
from typing import Any

import pytest

from serving import bulk, decoding
from serving.bulk import LARGE_BODY, BulkReader
from serving.contract import EXAMPLE_FLIGHT
from serving.errors import Invalid, Overloaded


def body_of(flights: int) -> bytes:
    """A request with so many flights."""
    return json.dumps({"flights": [EXAMPLE_FLIGHT] * flights}).encode()


@pytest.mark.parametrize(("flights", "beside"), [(1, False), (1_000, True)])
def test_only_large_bodies_are_read_beside_the_loop(
    monkeypatch: pytest.MonkeyPatch, flights: int, beside: bool
) -> None:
    """A small body is read where it is; a large one by the thread, with the same result."""
    threads: list[str] = []
    decode = decoding.decode

    def spy(body: bytes) -> Any:
        threads.append(threading.current_thread().name)
        return decode(body)

    monkeypatch.setattr(bulk, "decode", spy)
    reader = BulkReader(10**7)
    asked = asyncio.run(reader.read(body_of(flights)))
    assert len(asked.flights) == flights
    assert threads[0].startswith("bulk") == beside


def test_what_is_wrong_with_a_large_body_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
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
