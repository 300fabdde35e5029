"""Random histories of the batcher: requests arrive, fail, are late and are withdrawn."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from data.flights import Flights
from serving.batching.adaptive import AdaptiveBatcher, PendingRequest, Result
from serving.errors import DeadlineExceeded, InternalError, Overloaded

MAX_BATCH, MAX_QUEUE, MAX_BULK = 4, 7, 12
POISON = "poison"


def score_by_number(flights: Flights) -> list[float]:
    """Return the flight numbers as scores; fail where one is no number."""
    return [float(number) for number in flights.flight_number]


@dataclass(frozen=True)
class Ask:
    """Step in which a request arrives.

    Attributes
    ----------
    size
        Number of its flights.
    poisoned
        Position of the flight that the model cannot score; none where it is not below `size`.
    late
        Whether its deadline has passed.
    broken
        Whether the delivery of its answer raises an error.
    again
        Whether its client sends a request of one flight when it gets its answer.
    """

    size: int
    poisoned: int | None = None
    late: bool = False
    broken: bool = False
    again: bool = False


@dataclass(frozen=True)
class Leave:
    """Step in which a client disconnects: one of those so far, counted from the last."""

    which: int


@dataclass(frozen=True)
class Turn:
    """Step in which the event loop turns once."""


Step = Ask | Leave | Turn

ASKS = st.builds(
    Ask,
    size=st.integers(1, 3 * MAX_BATCH),
    poisoned=st.none() | st.integers(0, 2 * MAX_BATCH),
    late=st.sampled_from([False, False, True]),
    broken=st.booleans(),
    again=st.booleans(),
)
STEPS = st.one_of(ASKS, ASKS, st.builds(Leave, st.integers(0, 9)), st.builds(Turn))


class Client:
    """Client whose request was accepted, and the results that it got."""

    def __init__(self, ask: Ask, numbers: Sequence[str]) -> None:
        self.ask = ask
        self.numbers = numbers
        self.request: PendingRequest[float] | None = None
        self.results: list[Result[float]] = []
        self.withdrawn = False

    @property
    def bulk(self) -> bool:
        """Return whether it waits among the bulk requests."""
        return self.ask.size > MAX_BATCH

    @property
    def waiting(self) -> int:
        """Return the number of its flights that are still to be scored."""
        return 0 if self.request is None or self.request.done else self.request.remaining

    def check(self) -> None:
        """Check that it got the right result once, or none where it was withdrawn."""
        if self.withdrawn:
            assert not self.results
            return
        [result] = self.results
        if self.ask.late:
            assert isinstance(result, DeadlineExceeded)
        elif POISON in self.numbers:
            assert isinstance(result, InternalError)
        else:
            assert result == [float(number) for number in self.numbers]


class Simulation:
    """Simulation of an engine and its clients, with checks that hold after every step."""

    def __init__(self) -> None:
        self.engine = AdaptiveBatcher(score_by_number, MAX_BATCH, MAX_QUEUE, MAX_BULK)
        self.clients: list[Client] = []
        self.flights = 0

    def waiting(self, *, bulk: bool) -> int:
        """Return the number of waiting flights, counted client by client."""
        return sum(each.waiting for each in self.clients if each.bulk == bulk)

    def ask(self, ask: Ask) -> None:
        """Submit a request; check that it is refused exactly where there is no room."""
        numbers = [str(self.flights + number) for number in range(ask.size)]
        if ask.poisoned is not None and ask.poisoned < ask.size:
            numbers[ask.poisoned] = POISON
        self.flights += ask.size
        client = Client(ask, numbers)
        room = self.waiting(bulk=client.bulk) < (MAX_BULK if client.bulk else MAX_QUEUE)

        def deliver(result: Result[float]) -> None:
            client.results.append(result)
            if ask.again:
                self.ask(Ask(1))
            if ask.broken:
                raise ConnectionResetError

        departures = np.arange(ask.size, dtype=np.int64)
        flights = Flights(
            ["LAN"] * ask.size, numbers, ["SCFA"] * ask.size, ["N"] * ask.size, departures
        )
        try:
            client.request = self.engine.submit(flights, deliver, 0.0 if ask.late else inf)
        except Overloaded:
            assert not room
        else:
            assert room
            self.clients.append(client)

    def leave(self, which: int) -> None:
        """Withdraw a request, answered or not."""
        if which < len(self.clients):
            client = self.clients[-1 - which]
            client.withdrawn = client.withdrawn or not client.results
            assert client.request is not None
            self.engine.withdraw(client.request)

    async def turn(self) -> None:
        """Turn the event loop; check that fewer flights wait, new ones apart."""
        before, came = self.engine.waiting, self.flights
        await asyncio.sleep(0)
        assert self.engine.waiting < before + (self.flights - came) or before == 0

    def check(self) -> None:
        """Check that the engine counts as many waiting flights as its clients do."""
        small, bulk = self.waiting(bulk=False), self.waiting(bulk=True)
        assert self.engine.waiting == small + bulk
        assert self.engine.full == (small >= MAX_QUEUE)


async def play(steps: Sequence[Step]) -> None:
    """Run a history to its end and check every client."""
    simulation = Simulation()
    for step in steps:
        match step:
            case Ask():
                simulation.ask(step)
            case Leave(which):
                simulation.leave(which)
            case Turn():
                await simulation.turn()
        simulation.check()
    while simulation.engine.waiting:
        await simulation.turn()
        simulation.check()
    await asyncio.sleep(0)
    for client in simulation.clients:
        client.check()
    engine: Any = simulation.engine
    assert not engine._small
    assert not engine._bulk
    assert not engine._scheduled


@settings(derandomize=True, deadline=None, max_examples=1_000)
@given(st.lists(STEPS, max_size=40))
def test_every_request_gets_one_result(steps: list[Step]) -> None:
    """No history loses a request, answers it twice or wrongly, or miscounts the queue."""
    asyncio.run(play(steps))
