"""Any history of the batcher: requests come, fail, are late and are withdrawn, in any order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, cast

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from data.flights import Flights
from model.inference.predictor import Predictor
from serving.batching.adaptive import AdaptiveBatcher, PendingRequest, Result
from serving.errors import DeadlineExceeded, InternalError, Overloaded

MAX_BATCH, MAX_QUEUE, MAX_BULK = 4, 7, 12
POISON = "poison"


class NumberOfFlight:
    """A model by which the score of a flight is its number; fails where one has none."""

    def score(self, flights: Flights) -> np.ndarray:
        """See `Predictor.score`."""
        return np.array([float(number) for number in flights.flight_number])


@dataclass(frozen=True)
class Ask:
    """A request arrives.

    Attributes
    ----------
    size
        Its flights.
    poisoned
        Which of them the model cannot score, if it is among them.
    late
        Whether its time has passed already.
    rude
        Whether to take its answer fails.
    again
        Whether its client asks for one flight more as soon as it has its answer.
    """

    size: int
    poisoned: int | None = None
    late: bool = False
    rude: bool = False
    again: bool = False


@dataclass(frozen=True)
class Leave:
    """A client leaves: one of those that came so far, counted from the last."""

    which: int


@dataclass(frozen=True)
class Turn:
    """The event loop turns once."""


Step = Ask | Leave | Turn

ASKS = st.builds(
    Ask,
    size=st.integers(1, 3 * MAX_BATCH),
    poisoned=st.none() | st.integers(0, 2 * MAX_BATCH),
    late=st.sampled_from([False, False, True]),
    rude=st.booleans(),
    again=st.booleans(),
)
STEPS = st.one_of(ASKS, ASKS, st.builds(Leave, st.integers(0, 9)), st.builds(Turn))


class Client:
    """A request that was accepted, and what became of it."""

    def __init__(self, ask: Ask, numbers: Sequence[str]) -> None:
        self.ask = ask
        self.numbers = numbers
        self.job: PendingRequest[float] | None = None
        self.told: list[Result[float]] = []
        self.left = False

    @property
    def bulk(self) -> bool:
        """Whether it waits among the bulk requests."""
        return self.ask.size > MAX_BATCH

    @property
    def waiting(self) -> int:
        """Flights that it may still expect to be scored."""
        return 0 if self.job is None or self.job.over else self.job.left

    def check(self) -> None:
        """It was told once what it should be, or left untold."""
        if self.left:
            assert not self.told
            return
        [result] = self.told
        if self.ask.late:
            assert isinstance(result, DeadlineExceeded)
        elif POISON in self.numbers:
            assert isinstance(result, InternalError)
        else:
            assert result == [float(number) for number in self.numbers]


class World:
    """An engine, its clients, and what must hold after every step."""

    def __init__(self) -> None:
        model = cast("Predictor", NumberOfFlight())
        self.engine = AdaptiveBatcher(model, MAX_BATCH, MAX_QUEUE, MAX_BULK)
        self.clients: list[Client] = []
        self.flights = 0

    def waiting(self, *, bulk: bool) -> int:
        """Flights that wait, counted client by client."""
        return sum(each.waiting for each in self.clients if each.bulk == bulk)

    def ask(self, ask: Ask) -> None:
        """Submit a request; it is refused where there is no room, and only there."""
        numbers = [str(self.flights + number) for number in range(ask.size)]
        if ask.poisoned is not None and ask.poisoned < ask.size:
            numbers[ask.poisoned] = POISON
        self.flights += ask.size
        client = Client(ask, numbers)
        room = self.waiting(bulk=client.bulk) < (MAX_BULK if client.bulk else MAX_QUEUE)

        def deliver(result: Result[float]) -> None:
            client.told.append(result)
            if ask.again:
                self.ask(Ask(1))
            if ask.rude:
                raise ConnectionResetError

        departures = np.arange(ask.size, dtype=np.int64)
        flights = Flights(
            ["LAN"] * ask.size, numbers, ["SCFA"] * ask.size, ["N"] * ask.size, departures
        )
        try:
            client.job = self.engine.submit(flights, deliver, 0.0 if ask.late else inf)
        except Overloaded:
            assert not room
        else:
            assert room
            self.clients.append(client)

    def leave(self, which: int) -> None:
        """Withdraw a request, whether or not it has been answered."""
        if which < len(self.clients):
            client = self.clients[-1 - which]
            client.left = client.left or not client.told
            assert client.job is not None
            self.engine.withdraw(client.job)

    async def turn(self) -> None:
        """Turn the event loop; what waits gets less, unless answers bring new requests."""
        before, came = self.engine.waiting, self.flights
        await asyncio.sleep(0)
        assert self.engine.waiting < before + (self.flights - came) or before == 0

    def check(self) -> None:
        """The engine's own count is that of its clients."""
        small, bulk = self.waiting(bulk=False), self.waiting(bulk=True)
        assert self.engine.waiting == small + bulk
        assert self.engine.full == (small >= MAX_QUEUE)


async def play(steps: Sequence[Step]) -> None:
    """Play a history to its end, and look at everything that must hold."""
    world = World()
    for step in steps:
        match step:
            case Ask():
                world.ask(step)
            case Leave(which):
                world.leave(which)
            case Turn():
                await world.turn()
        world.check()
    while world.engine.waiting:
        await world.turn()
        world.check()
    await asyncio.sleep(0)
    for client in world.clients:
        client.check()
    engine: Any = world.engine
    assert not engine._small
    assert not engine._bulk
    assert not engine._scheduled


@settings(derandomize=True, deadline=None, max_examples=1_000)
@given(st.lists(STEPS, max_size=40))
def test_everybody_is_told_once(steps: list[Step]) -> None:
    """No history loses a request, answers it twice or with other scores, or miscounts the queue."""
    asyncio.run(play(steps))
