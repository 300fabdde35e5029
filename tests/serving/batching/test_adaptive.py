"""The batcher in the process: full batches, slices, failures, callers that leave, limits."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from time import monotonic

import numpy as np
import pytest

from data.flights import Flights
from model.inference.predictor import Predictor
from serving import metrics
from serving.batching import adaptive, engines
from serving.batching.adaptive import IDLE_BATCHES, AdaptiveBatcher, Result
from serving.errors import DeadlineExceeded, InternalError, Overloaded

POISON = "9999"


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the batches that are scored, and a model that fails on poisoned flights."""
    sizes: list[int] = []
    score: Callable[[Predictor, Flights], list[float]] = engines.score_at_once

    def spy(predictor: Predictor, flights: Flights) -> list[float]:
        sizes.append(len(flights))
        if POISON in flights.flight_number:
            message = "poisoned"
            raise ValueError(message)
        return score(predictor, flights)

    monkeypatch.setattr(adaptive, "score_at_once", spy)
    return sizes


def poisoned(flights: Flights) -> Flights:
    """The same flights, of which the first makes the model fail."""
    numbers = [POISON, *flights.flight_number[1:]]
    return Flights(
        flights.airline, numbers, flights.destination, flights.flight_type, flights.departure
    )


@pytest.mark.parametrize("sizes", [[1] * 50, [1, 7, 300, 2, 64, 626], [1000], [5, 995]])
def test_every_request_gets_its_own_scores(
    predictor: Predictor, flights: Flights, expected: np.ndarray, sizes: list[int]
) -> None:
    """Whatever is batched with whatever, each request gets the scores of its own flights."""

    async def run() -> None:
        engine = AdaptiveBatcher(predictor, max_batch=64, max_queue=10_000)
        starts = np.cumsum([0, *sizes])
        parts = [flights.slice(a, b) for a, b in itertools.pairwise(starts)]
        answers = await asyncio.gather(*(engine.score(part) for part in parts))
        for answer, (a, b) in zip(answers, itertools.pairwise(starts), strict=True):
            assert np.abs(np.array(answer) - expected[a:b]).max() < 1e-12
        assert engine.waiting == 0

    asyncio.run(run())


def test_what_arrives_together_is_scored_together(
    predictor: Predictor, flights: Flights, batches: list[int]
) -> None:
    """Requests that arrive in one turn of the event loop share one call of the model."""

    async def run() -> None:
        engine = AdaptiveBatcher(predictor, max_batch=64, max_queue=10_000)
        await asyncio.gather(*(engine.score(flights.slice(i, i + 1)) for i in range(40)))

    asyncio.run(run())
    assert batches == [40]


def test_a_lone_request_does_not_wait(
    predictor: Predictor, flights: Flights, batches: list[int]
) -> None:
    """An idle engine scores a single flight in the next turn of the event loop."""

    async def run() -> None:
        engine = AdaptiveBatcher(predictor, max_batch=64, max_queue=10_000)
        answer = asyncio.ensure_future(engine.score(flights.slice(0, 1)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert answer.done()

    asyncio.run(run())
    assert batches == [1]


def test_batches_keep_to_their_limit(
    predictor: Predictor, flights: Flights, batches: list[int]
) -> None:
    """No call of the model takes more than a batch of small requests and a quarter of bulk."""

    async def run() -> None:
        engine = AdaptiveBatcher(predictor, max_batch=64, max_queue=10_000)
        small = [engine.score(flights.slice(i, i + 1)) for i in range(200)]
        bulk = [engine.score(flights.slice(0, 500)), engine.score(flights.slice(500, 1000))]
        await asyncio.gather(*small, *bulk)

    asyncio.run(run())
    assert max(batches) == 64 + 16
    assert sum(batches) == 1200


def test_bulk_requests_get_whole_batches_in_calm_times(
    predictor: Predictor, flights: Flights, batches: list[int]
) -> None:
    """Where no small request has come for a while, a bulk request is scored by whole batches."""

    async def run() -> None:
        await AdaptiveBatcher(predictor, max_batch=40, max_queue=10_000).score(flights)

    asyncio.run(run())
    assert batches[: IDLE_BATCHES - 1] == [10] * (IDLE_BATCHES - 1)
    assert batches[IDLE_BATCHES] == 40
    assert sum(batches) == 1000


def test_small_requests_pass_bulk_ones(predictor: Predictor, flights: Flights) -> None:
    """A single flight that arrives behind a bulk request is answered before it."""

    async def run() -> list[str]:
        engine = AdaptiveBatcher(predictor, max_batch=64, max_queue=10_000)
        order: list[str] = []

        async def request(name: str, part: Flights) -> None:
            await engine.score(part)
            order.append(name)

        await asyncio.gather(request("bulk", flights), request("single", flights.slice(3, 4)))
        return order

    assert asyncio.run(run()) == ["single", "bulk"]


@pytest.mark.parametrize("guilty", [1, 300])
def test_a_failure_reaches_only_its_request(
    predictor: Predictor, flights: Flights, expected: np.ndarray, batches: list[int], guilty: int
) -> None:
    """Where one request makes the model fail, the others of its batch are scored all the same."""

    async def run() -> None:
        engine = AdaptiveBatcher(predictor, max_batch=64, max_queue=10_000)
        good = [engine.score(flights.slice(i, i + 1)) for i in range(20)]
        bad = engine.score(poisoned(flights.slice(0, guilty)))
        with pytest.raises(InternalError):
            await bad
        scored = [(await answer)[0] for answer in good]
        assert np.abs(np.array(scored) - expected[:20]).max() < 1e-12
        assert engine.waiting == 0

    asyncio.run(run())


def test_callers_that_left_cost_nothing_more(
    predictor: Predictor, flights: Flights, batches: list[int]
) -> None:
    """Flights of a cancelled request are dropped from the queue, whole or from where it stood."""

    async def run() -> None:
        engine = AdaptiveBatcher(predictor, max_batch=64, max_queue=10_000)
        small = asyncio.ensure_future(engine.score(flights.slice(0, 1)))
        bulk = asyncio.ensure_future(engine.score(flights))
        stays = asyncio.ensure_future(engine.score(flights.slice(5, 6)))
        await asyncio.sleep(0)
        small.cancel()
        await stays
        bulk.cancel()
        for _ in range(5):
            await asyncio.sleep(0)
        assert engine.waiting == 0

    asyncio.run(run())
    assert sum(batches) < 200


@pytest.mark.parametrize("size", [1, 30, 200])
def test_a_full_queue_refuses_early(predictor: Predictor, flights: Flights, size: int) -> None:
    """Beyond the limit a request is refused at once, and told when to come back."""

    async def run() -> None:
        engine = AdaptiveBatcher(predictor, max_batch=64, max_queue=60, max_bulk=250)
        accepted = [engine.score(flights.slice(0, 60)), engine.score(flights.slice(0, 250))]
        with pytest.raises(Overloaded) as refusal:
            engine.score(flights.slice(0, size))
        assert dict(refusal.value.headers)[b"retry-after"] == b"1"
        assert engine.full
        assert list(map(len, await asyncio.gather(*accepted))) == [60, 250]
        assert not engine.full

    asyncio.run(run())


def test_bulk_requests_leave_room_for_small_ones(predictor: Predictor, flights: Flights) -> None:
    """However many flights of bulk requests are waiting, a single one is accepted."""

    async def run() -> None:
        engine = AdaptiveBatcher(predictor, max_batch=64, max_queue=60, max_bulk=1000)
        bulk = engine.score(flights)
        assert len(await engine.score(flights.slice(0, 1))) == 1
        assert engine.waiting > 0
        await bulk

    asyncio.run(run())


def test_an_idle_engine_takes_any_request(predictor: Predictor, flights: Flights) -> None:
    """A request larger than the queue is served where nobody else is waiting."""

    async def run() -> int:
        engine = AdaptiveBatcher(predictor, max_batch=64, max_queue=100, max_bulk=100)
        return len(await engine.score(flights))

    assert asyncio.run(run()) == 1000


@pytest.mark.parametrize("size", [1, 200])
def test_late_work_is_not_done(
    predictor: Predictor, flights: Flights, batches: list[int], size: int
) -> None:
    """Flights whose time has passed are not scored; their caller is told, once."""

    async def run() -> list[Result[float]]:
        engine = AdaptiveBatcher(predictor, max_batch=64, max_queue=1000)
        told: list[Result[float]] = []
        engine.submit(flights.slice(0, size), told.append, deadline=monotonic() - 1)
        in_time = engine.score(flights.slice(5, 6))
        await in_time
        await asyncio.sleep(0)
        assert engine.waiting == 0
        return told

    told = asyncio.run(run())
    assert [type(each) for each in told] == [DeadlineExceeded]
    assert sum(batches) == 1


def test_an_answer_that_cannot_be_delivered_harms_no_other(
    predictor: Predictor, flights: Flights, caplog: pytest.LogCaptureFixture
) -> None:
    """Where one answer cannot be delivered, the rest of its batch is, and the log has the cause."""

    def fail(_: Result[float]) -> None:
        message = "wire cut"
        raise OSError(message)

    async def run() -> None:
        engine = AdaptiveBatcher(predictor, max_batch=64, max_queue=1000)
        engine.submit(flights.slice(0, 1), fail)
        assert len(await engine.score(flights.slice(1, 2))) == 1

    asyncio.run(run())
    assert "wire cut" in caplog.text


def test_a_batch_that_cannot_be_put_together_keeps_nobody_waiting(
    predictor: Predictor, flights: Flights, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever fails around a batch, its requests are told so, and those after it are scored."""
    counted, wait_seconds = [0], metrics.buffer.wait_seconds

    class Broken:
        def observe(self, value: float) -> None:
            counted[0] += 1
            if counted[0] == 1:
                raise MemoryError
            wait_seconds.observe(value)

    monkeypatch.setattr(metrics.buffer, "wait_seconds", Broken())

    async def run() -> list[list[float] | BaseException]:
        engine = AdaptiveBatcher(predictor, max_batch=4, max_queue=100)
        parts = [flights.slice(start, start + 2) for start in range(0, 8, 2)]
        bulk = engine.score(flights.slice(0, 20))
        answers = await asyncio.gather(*map(engine.score, parts), bulk, return_exceptions=True)
        assert engine.waiting == 0
        return answers

    answers = asyncio.run(asyncio.wait_for(run(), 10))
    assert [isinstance(each, InternalError) for each in answers] == [True, True, False, False, True]
