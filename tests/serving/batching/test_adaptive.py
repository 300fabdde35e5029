"""`AdaptiveBatcher`: full batches, slices, failures, clients that disconnect, limits."""

from __future__ import annotations

import asyncio
import itertools
from time import monotonic

import numpy as np
import pytest

from data.flights import Flights
from model.inference.predictor import Predictor
from serving import metrics
from serving.batching.adaptive import IDLE_BATCHES, AdaptiveBatcher, Result
from serving.batching.engines import ScoreBatch, score_batch
from serving.errors import DeadlineExceeded, InternalError, Overloaded

POISON = "9999"


@pytest.fixture
def batches() -> list[int]:
    """Return the sizes of the batches that `score` has scored, oldest first."""
    return []


@pytest.fixture
def score(predictor: Predictor, batches: list[int]) -> ScoreBatch:
    """Return a scoring function that notes batch sizes and fails on poisoned flights."""

    def spy(flights: Flights) -> list[float]:
        batches.append(len(flights))
        if POISON in flights.flight_number:
            message = "poisoned"
            raise ValueError(message)
        return score_batch(predictor, flights)

    return spy


def poisoned(flights: Flights) -> Flights:
    """Return the flights, the first of which makes `score` fail."""
    numbers = [POISON, *flights.flight_number[1:]]
    return Flights(
        flights.airline, numbers, flights.destination, flights.flight_type, flights.departure
    )


@pytest.mark.parametrize("sizes", [[1] * 50, [1, 7, 300, 2, 64, 626], [1000], [5, 995]])
def test_every_request_gets_its_own_scores(
    score: ScoreBatch, flights: Flights, expected: np.ndarray, sizes: list[int]
) -> None:
    """Each request gets the scores of its own flights, whichever requests share its batch."""

    async def run() -> None:
        engine = AdaptiveBatcher(score, max_batch=64, max_queue=10_000)
        starts = np.cumsum([0, *sizes])
        parts = [flights.slice(a, b) for a, b in itertools.pairwise(starts)]
        answers = await asyncio.gather(*(engine.score(part) for part in parts))
        for answer, (a, b) in zip(answers, itertools.pairwise(starts), strict=True):
            assert np.abs(np.array(answer) - expected[a:b]).max() < 1e-12
        assert engine.waiting == 0

    asyncio.run(run())


def test_what_arrives_together_is_scored_together(
    score: ScoreBatch, flights: Flights, batches: list[int]
) -> None:
    """Requests that arrive in one turn of the event loop share one call of the model."""

    async def run() -> None:
        engine = AdaptiveBatcher(score, max_batch=64, max_queue=10_000)
        await asyncio.gather(*(engine.score(flights.slice(i, i + 1)) for i in range(40)))

    asyncio.run(run())
    assert batches == [40]


def test_a_lone_request_does_not_wait(
    score: ScoreBatch, flights: Flights, batches: list[int]
) -> None:
    """An idle engine scores a single flight in the next turn of the event loop."""

    async def run() -> None:
        engine = AdaptiveBatcher(score, max_batch=64, max_queue=10_000)
        answer = asyncio.ensure_future(engine.score(flights.slice(0, 1)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert answer.done()

    asyncio.run(run())
    assert batches == [1]


def test_batches_keep_to_their_limit(
    score: ScoreBatch, flights: Flights, batches: list[int]
) -> None:
    """No call of the model takes more than a batch of small requests and a quarter of bulk."""

    async def run() -> None:
        engine = AdaptiveBatcher(score, max_batch=64, max_queue=10_000)
        small = [engine.score(flights.slice(i, i + 1)) for i in range(200)]
        bulk = [engine.score(flights.slice(0, 500)), engine.score(flights.slice(500, 1000))]
        await asyncio.gather(*small, *bulk)

    asyncio.run(run())
    assert max(batches) == 64 + 16
    assert sum(batches) == 1200


def test_bulk_requests_get_whole_batches_without_small_requests(
    score: ScoreBatch, flights: Flights, batches: list[int]
) -> None:
    """After some batches without a small request, a bulk request is scored by whole batches."""

    async def run() -> None:
        await AdaptiveBatcher(score, max_batch=40, max_queue=10_000).score(flights)

    asyncio.run(run())
    assert batches[: IDLE_BATCHES - 1] == [10] * (IDLE_BATCHES - 1)
    assert batches[IDLE_BATCHES] == 40
    assert sum(batches) == 1000


def test_small_requests_pass_bulk_ones(score: ScoreBatch, flights: Flights) -> None:
    """A single flight that arrives behind a bulk request is answered before it."""

    async def run() -> list[str]:
        engine = AdaptiveBatcher(score, max_batch=64, max_queue=10_000)
        order: list[str] = []

        async def request(name: str, part: Flights) -> None:
            await engine.score(part)
            order.append(name)

        await asyncio.gather(request("bulk", flights), request("single", flights.slice(3, 4)))
        return order

    assert asyncio.run(run()) == ["single", "bulk"]


@pytest.mark.parametrize("failing", [1, 300])
def test_a_failure_reaches_only_its_request(
    score: ScoreBatch, flights: Flights, expected: np.ndarray, batches: list[int], failing: int
) -> None:
    """Where the model fails on one request, the others of its batch are still scored."""

    async def run() -> None:
        engine = AdaptiveBatcher(score, max_batch=64, max_queue=10_000)
        good = [engine.score(flights.slice(i, i + 1)) for i in range(20)]
        bad = engine.score(poisoned(flights.slice(0, failing)))
        with pytest.raises(InternalError):
            await bad
        scored = [(await answer)[0] for answer in good]
        assert np.abs(np.array(scored) - expected[:20]).max() < 1e-12
        assert engine.waiting == 0

    asyncio.run(run())


def test_cancelled_requests_are_dropped(
    score: ScoreBatch, flights: Flights, batches: list[int]
) -> None:
    """The unscored flights of a cancelled request leave the queue."""

    async def run() -> None:
        engine = AdaptiveBatcher(score, max_batch=64, max_queue=10_000)
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
def test_a_full_queue_refuses_early(score: ScoreBatch, flights: Flights, size: int) -> None:
    """Beyond the limit a request is refused at once, with `Retry-After`."""

    async def run() -> None:
        engine = AdaptiveBatcher(score, max_batch=64, max_queue=60, max_bulk=250)
        accepted = [engine.score(flights.slice(0, 60)), engine.score(flights.slice(0, 250))]
        with pytest.raises(Overloaded) as raised:
            engine.score(flights.slice(0, size))
        assert dict(raised.value.headers)[b"retry-after"] == b"1"
        assert engine.full
        assert list(map(len, await asyncio.gather(*accepted))) == [60, 250]
        assert not engine.full

    asyncio.run(run())


def test_bulk_requests_leave_room_for_small_ones(score: ScoreBatch, flights: Flights) -> None:
    """A single flight is accepted however many flights of bulk requests are waiting."""

    async def run() -> None:
        engine = AdaptiveBatcher(score, max_batch=64, max_queue=60, max_bulk=1000)
        bulk = engine.score(flights)
        assert len(await engine.score(flights.slice(0, 1))) == 1
        assert engine.waiting > 0
        await bulk

    asyncio.run(run())


def test_an_idle_engine_accepts_any_request(score: ScoreBatch, flights: Flights) -> None:
    """A request larger than the queue is scored where no other request is waiting."""

    async def run() -> int:
        engine = AdaptiveBatcher(score, max_batch=64, max_queue=100, max_bulk=100)
        return len(await engine.score(flights))

    assert asyncio.run(run()) == 1000


@pytest.mark.parametrize("size", [1, 200])
def test_late_work_is_not_done(
    score: ScoreBatch, flights: Flights, batches: list[int], size: int
) -> None:
    """Flights past their deadline are not scored; the request gets one `DeadlineExceeded`."""

    async def run() -> list[Result[float]]:
        engine = AdaptiveBatcher(score, max_batch=64, max_queue=1000)
        results: list[Result[float]] = []
        engine.submit(flights.slice(0, size), results.append, deadline=monotonic() - 1)
        in_time = engine.score(flights.slice(5, 6))
        await in_time
        await asyncio.sleep(0)
        assert engine.waiting == 0
        return results

    results = asyncio.run(run())
    assert [type(each) for each in results] == [DeadlineExceeded]
    assert sum(batches) == 1


def test_an_answer_that_cannot_be_delivered_harms_no_other(
    score: ScoreBatch, flights: Flights, caplog: pytest.LogCaptureFixture
) -> None:
    """Where one answer cannot be delivered, the others are, and the cause is logged."""

    def fail(_: Result[float]) -> None:
        message = "connection lost"
        raise OSError(message)

    async def run() -> None:
        engine = AdaptiveBatcher(score, max_batch=64, max_queue=1000)
        engine.submit(flights.slice(0, 1), fail)
        assert len(await engine.score(flights.slice(1, 2))) == 1

    asyncio.run(run())
    assert "connection lost" in caplog.text


def test_a_batch_that_cannot_be_formed_is_answered(
    score: ScoreBatch, flights: Flights, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error around a batch ends its requests with InternalError; later requests are scored."""
    counted, wait_seconds = [0], metrics.buffer.wait_seconds

    class Broken:
        def observe(self, value: float) -> None:
            counted[0] += 1
            if counted[0] == 1:
                raise MemoryError
            wait_seconds.observe(value)

    monkeypatch.setattr(metrics.buffer, "wait_seconds", Broken())

    async def run() -> list[list[float] | BaseException]:
        engine = AdaptiveBatcher(score, max_batch=4, max_queue=100)
        parts = [flights.slice(start, start + 2) for start in range(0, 8, 2)]
        bulk = engine.score(flights.slice(0, 20))
        answers = await asyncio.gather(*map(engine.score, parts), bulk, return_exceptions=True)
        assert engine.waiting == 0
        return answers

    answers = asyncio.run(asyncio.wait_for(run(), 10))
    assert [isinstance(each, InternalError) for each in answers] == [True, True, False, False, True]
