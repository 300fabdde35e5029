"""Explanations: one slice per turn of the event loop, and a fair, bounded queue of their own."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, Self

import numpy as np
import pytest

from data.flights import Flights
from model.inference.bundle import Bundle
from model.inference.explanation import Explainer, Explanation
from serving.api.asgi import Headers
from serving.api.predict import PredictDelay
from serving.batching.engines import BentoBatcher, Engine, Row, Unbatched, score_batch
from serving.contract.schema import EXAMPLE_FLIGHT
from serving.errors import InternalError, Overloaded
from serving.models.loaded import Runtime
from serving.settings import Batching, Settings
from tests.support.runtime import make_runtime
from tests.support.sockets import until

MOST_PER_TURN = 8
"""Flights: more would keep the event loop from everything else for tens of milliseconds."""
POISON = "9999"

Reply = tuple[int, dict[str, Any]]


class TurnCounter:
    """Counter of the turns of the event loop; a context manager."""

    def __init__(self) -> None:
        self.turn = 0
        self._counting = True

    def __enter__(self) -> Self:
        self._count()
        return self

    def __exit__(self, *_: object) -> None:
        self._counting = False

    def _count(self) -> None:
        self.turn += 1
        if self._counting:
            asyncio.get_running_loop().call_soon(self._count)


@pytest.fixture(params=[Batching.INLINE, Batching.BENTOML, Batching.OFF])
def runtime(request: pytest.FixtureRequest, bundle: Bundle) -> Runtime:
    """Return the loaded model with each engine."""
    settings = Settings(batching=request.param)
    engines: dict[Batching, Engine] = {
        Batching.BENTOML: BentoBatcher(_score_in_another_turn, "flight_delay:test"),
        Batching.OFF: Unbatched(partial(score_batch, bundle.predictor), settings.max_batch),
    }
    return make_runtime(bundle, settings, engine=engines.get(request.param))


async def _score_in_another_turn(rows: list[Row]) -> list[float]:
    await asyncio.sleep(0)
    return [0.5] * len(rows)


@pytest.fixture
def inline(bundle: Bundle) -> Runtime:
    """Return the loaded model with the default engine and room for 50 and 100 explained flights."""
    return make_runtime(bundle, Settings(max_queue=50 * 40, max_bulk=100 * 40))


Slices = list[tuple[int, tuple[str, ...]]]


@pytest.fixture
def slices(monkeypatch: pytest.MonkeyPatch) -> tuple[TurnCounter, Slices]:
    """Return the turn and flight numbers of each explaining call; poisoned flights make it fail."""
    turns, found = TurnCounter(), []
    explain: Callable[[Explainer, Flights], list[Explanation]] = Explainer.explain

    def spy(self: Explainer, flights: Flights) -> list[Explanation]:
        found.append((turns.turn, tuple(flights.flight_number)))
        if POISON in flights.flight_number:
            message = "poisoned"
            raise ValueError(message)
        return explain(self, flights)

    monkeypatch.setattr(Explainer, "explain", spy)
    return turns, found


def numbered(number: int, count: int) -> Flights:
    """Return flights of one request, which share a number."""
    columns = (["LAN"] * count, [str(number)] * count, ["SCFA"] * count, ["N"] * count)
    return Flights(*columns, np.full(count, 25_000_000, dtype=np.int64))


def body(count: int, **more: Any) -> bytes:
    """Return a request that asks for explanations."""
    return json.dumps({"flights": [EXAMPLE_FLIGHT] * count, "explain": True, **more}).encode()


def submit(predict: PredictDelay, sent: bytes) -> tuple[asyncio.Future[Reply], Any]:
    """Submit a body on the fast path; return its answer and the call for a client that leaves."""
    answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

    def reply(status: int, body: bytes, headers: Headers) -> None:
        named = {name.decode(): value.decode() for name, value in headers}
        answer.set_result((status, named | json.loads(body)))

    return answer, predict.submit(sent, None, reply, [])


def test_one_slice_per_turn_for_all_requests(
    runtime: Runtime, slices: tuple[TurnCounter, Slices]
) -> None:
    """However many requests ask, a turn of the event loop explains one slice of a few flights."""
    turns, found = slices

    async def run() -> None:
        with turns:
            asked = [numbered(number, 20) for number in range(20)]
            await asyncio.gather(*(runtime.answer(each, explain=True) for each in asked))

    asyncio.run(run())
    flights: Counter[int] = Counter()
    for turn, explained in found:
        flights[turn] += len(explained)
    assert sum(flights.values()) == 400
    assert max(Counter(turn for turn, _ in found).values()) == 1
    assert max(flights.values()) <= MOST_PER_TURN


def test_requests_are_explained_round_robin(
    inline: Runtime, slices: tuple[TurnCounter, Slices]
) -> None:
    """No request is more than a slice ahead of another; a single flight is explained first."""
    turns, found = slices

    async def run() -> None:
        with turns:
            large = [inline.answer(numbered(number, 20), explain=True) for number in range(4)]
            single = inline.answer(numbered(9, 1), explain=True)
            await asyncio.gather(*large, single)

    asyncio.run(run())
    assert "9" in found[0][1]
    progress: Counter[str] = Counter()
    for _, explained in found:
        progress.update(set(explained) - {"9"})
        assert max(progress.values()) - min(progress[str(n)] for n in range(4)) <= 1


def test_plain_flights_are_scored_between_the_slices(
    inline: Runtime, slices: tuple[TurnCounter, Slices]
) -> None:
    """A plain flight that arrives while hundreds are explained waits for three slices at most."""
    _, found = slices

    async def run() -> int:
        large = asyncio.ensure_future(inline.answer(numbered(1, 200), explain=True))
        await until(lambda: bool(found))
        before = len(found)
        await inline.answer(numbered(2, 1), explain=False)
        after = len(found)
        await large
        return after - before

    assert asyncio.run(run()) <= 3


@pytest.mark.parametrize(("size", "count"), [(1, 50), (200, 1)])
def test_beyond_their_bound_explanations_are_refused(
    inline: Runtime, size: int, count: int
) -> None:
    """Explained flights fill a queue of their own by cost; plain ones are still scored."""

    async def run() -> None:
        accepted = [inline.explanations.values(numbered(1, size)) for _ in range(count)]
        with pytest.raises(Overloaded) as raised:
            await inline.answer(numbered(2, size), explain=True)
        assert dict(raised.value.headers)[b"retry-after"] == b"1"
        assert len(await inline.engine.score(numbered(3, 1))) == 1
        assert len(await inline.engine.score(numbered(3, 1_000))) == 1_000
        assert list(map(len, await asyncio.gather(*accepted))) == [size] * count
        assert await inline.answer(numbered(2, size), explain=True)

    asyncio.run(run())


def test_a_body_without_room_is_refused_unread(
    inline: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the queue is full, a body that asks for explanations is refused before parsing."""
    predict = PredictDelay(lambda: inline, 4_000_000, 64_000_000)

    async def run() -> None:
        first, _ = submit(predict, body(200))
        monkeypatch.setattr("serving.api.predict.decode", None)
        status, document = await submit(predict, body(200))[0]
        assert (status, document["retry-after"]) == (503, "1")
        monkeypatch.undo()
        assert (await submit(predict, body(1))[0])[0] == 200  # small requests have room
        assert (await submit(predict, body(200, explain=False))[0])[0] == 200
        assert (await first)[0] == 200

    asyncio.run(run())


def test_the_work_of_disconnected_clients_is_dropped(
    inline: Runtime, slices: tuple[TurnCounter, Slices]
) -> None:
    """Flights of disconnected clients are not explained, on the fast path and by ASGI."""
    _, found = slices
    predict = PredictDelay(lambda: inline, 4_000_000, 64_000_000)

    async def run() -> None:
        _, abandon = submit(predict, body(90))
        task = asyncio.ensure_future(inline.answer(numbered(1, 90), explain=True))
        await until(lambda: len(found) >= 4)
        abandon()
        task.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert inline.explanations.waiting == 0

    asyncio.run(run())
    assert len(found) < 10


def test_explanations_past_the_deadline_are_not_computed(
    inline: Runtime, slices: tuple[TurnCounter, Slices]
) -> None:
    """After the time limit of a request, its remaining flights are not explained."""
    _, found = slices
    predict = PredictDelay(lambda: inline, 4_000_000, 64_000_000)

    async def run() -> None:
        statuses: list[int] = []
        predict.submit(body(90), b"1", lambda status, *_: statuses.append(status), [])
        await until(lambda: bool(statuses))
        assert statuses == [504]
        assert inline.explanations.waiting == 0

    asyncio.run(run())
    assert sum(len(numbers) for _, numbers in found) < 90


def test_a_failing_explanation_fails_its_own_request(
    inline: Runtime, slices: tuple[TurnCounter, Slices]
) -> None:
    """Where one request cannot be explained, the others in its slice are."""

    async def run() -> list[bytes | BaseException]:
        asked = [numbered(number, 1) for number in (1, int(POISON), 2)]
        asked += [numbered(int(POISON), 20), numbered(3, 20)]
        answers = (inline.answer(each, explain=True) for each in asked)
        return await asyncio.gather(*answers, return_exceptions=True)

    answers = asyncio.run(run())
    assert [isinstance(each, InternalError) for each in answers] == [
        False,
        True,
        False,
        True,
        False,
    ]
    assert inline.explanations.waiting == 0


def test_the_time_limit_is_read_before_the_body(inline: Runtime) -> None:
    """A request with a bad time limit and a bad body gets the error of the time limit."""
    predict = PredictDelay(lambda: inline, 4_000_000, 64_000_000)
    told: list[bytes] = []
    predict.submit(b'{"flights": [{}]}', b"soon", lambda _, body, __: told.append(body), [])
    assert b"X-Request-Timeout-Ms" in told[0]
