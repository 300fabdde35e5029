"""Tests of calls with many flights: chunks within the limits, concurrent, ordered, lazy."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from scl_delay import (
    AsyncDelayClient,
    DelayClient,
    IncompleteError,
    InvalidError,
    Prediction,
    TooLargeError,
)
from scl_delay._bulk import batches
from scl_delay._transport.constants import MAX_BODY_BYTES, MAX_FLIGHTS
from tests.client.conftest import ClientRunner
from tests.client.faults import answer_body

URL = "http://service"


def flights(count: int, start: int = 0) -> list[dict[str, Any]]:
    """Return flights as dictionaries with consecutive flight numbers."""
    return [
        {
            "airline": "LAN",
            "flight_number": str(number),
            "destination": "SCFA",
            "scheduled_departure": "2017-07-14T08:30",
        }
        for number in range(start, start + count)
    ]


class Service:
    """Mock of the service that records sizes and the number of concurrent requests."""

    def __init__(self, most_bytes: int = MAX_BODY_BYTES, seconds: float = 0.0) -> None:
        self.sizes: list[int] = []
        self.bytes: list[int] = []
        self.under_way = self.most_under_way = 0
        self._most_bytes = most_bytes
        self._seconds = seconds
        self._lock = threading.Lock()

    def transport(self) -> httpx.MockTransport:
        """Return a transport for the synchronous client."""
        return httpx.MockTransport(self._answer)

    def transport_for(self, runner: ClientRunner) -> dict[str, Any]:
        """Return the options of a client that uses this service."""
        handler = self._answer if runner.kind == "sync" else self._answer_async
        return {"transport": httpx.MockTransport(handler)}

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self._enter()
        time.sleep(self._seconds)
        return self._leave(request.content)

    async def _answer_async(self, request: httpx.Request) -> httpx.Response:
        self._enter()
        await asyncio.sleep(self._seconds)
        return self._leave(request.content)

    def _enter(self) -> None:
        with self._lock:
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)

    def _leave(self, body: bytes) -> httpx.Response:
        with self._lock:
            self.under_way -= 1
            self.sizes.append(len(json.loads(body)["flights"]))
            self.bytes.append(len(body))
        if len(body) > self._most_bytes:
            return _problem(413, "too-large", None)
        bad = [
            {"pointer": f"/flights/{n}/airline", "flight": n, "detail": "no code"}
            for n, flight in enumerate(json.loads(body)["flights"])
            if flight["airline"] == "?"
        ]
        if bad:
            return _problem(422, "invalid", bad)
        return httpx.Response(200, content=answer_body(body))


def _problem(status: int, kind: str, errors: list[dict[str, Any]] | None) -> httpx.Response:
    first = f"{errors[0]['pointer']}: {errors[0]['detail']}" if errors else "too many"
    return httpx.Response(
        status,
        json={
            "type": f"urn:flight-delay:problem:{kind}",
            "title": kind,
            "status": status,
            "detail": first,
            "errors": errors,
        },
    )


def numbers(predictions: Any) -> list[int]:
    """Return the flight numbers that the predictions belong to."""
    return [round(10_000 * each.probability) for each in predictions]


@pytest.mark.parametrize(
    ("count", "options", "sizes"),
    [
        (0, {}, []),
        (1, {}, [1]),
        (1000, {}, [1000]),
        (1001, {}, [1, 1000]),
        (150, {"explain": True}, [50, 100]),
        (25, {"chunk": 10}, [5, 10, 10]),
    ],
)
def test_requests_have_the_default_or_chosen_size(
    runner: ClientRunner, count: int, options: dict[str, Any], sizes: list[int]
) -> None:
    """A request has 1,000 flights, 100 with explanations, or as many as `chunk` says."""
    service = Service()
    got = runner.call(
        URL, "predict_many", flights(count), client=service.transport_for(runner), **options
    )
    assert numbers(got) == list(range(count))
    assert sorted(service.sizes) == sizes


@pytest.mark.parametrize("concurrency", [1, 3])
def test_concurrency_limits_the_concurrent_requests(runner: ClientRunner, concurrency: int) -> None:
    """The limit is reached and not exceeded, and the answers are in order."""
    service = Service(seconds=0.02)
    options = {"chunk": 5, "concurrency": concurrency}
    got = runner.call(
        URL, "predict_many", flights(50), client=service.transport_for(runner), **options
    )
    assert numbers(got) == list(range(50))
    assert service.most_under_way == concurrency


def test_large_bodies_are_halved_before_they_are_sent(runner: ClientRunner) -> None:
    """No request exceeds the largest body, even with long field values."""
    service = Service()
    long = [{**each, "airline": "L" * 3000} for each in flights(2500)]
    got = runner.call(
        URL, "predict_many", long, client=service.transport_for(runner), chunk=MAX_FLIGHTS
    )
    assert numbers(got) == list(range(2500))
    assert max(service.bytes) <= MAX_BODY_BYTES
    assert sorted(service.sizes) == [1250, 1250]


def test_a_smaller_limit_of_the_service_is_respected(runner: ClientRunner) -> None:
    """After a 413 the request is halved until it fits."""
    service = Service(most_bytes=1500)
    got = runner.call(URL, "predict_many", flights(60), client=service.transport_for(runner))
    assert numbers(got) == list(range(60))


def test_a_single_flight_that_is_too_large_raises(runner: ClientRunner) -> None:
    """A 413 for a single flight is raised as TooLargeError."""
    service = Service(most_bytes=10)
    with pytest.raises(IncompleteError) as caught:
        runner.call(URL, "predict_many", flights(2), client=service.transport_for(runner))
    assert isinstance(caught.value.reason, TooLargeError)


def test_an_invalid_flight_is_reported_by_its_index_in_the_call(runner: ClientRunner) -> None:
    """The service counts flights within a request, the client within the call."""
    service = Service()
    broken = flights(40)
    broken[33]["airline"] = "?"
    with pytest.raises(IncompleteError, match="/flights/33/airline") as caught:
        runner.call(URL, "predict_many", broken, client=service.transport_for(runner), chunk=10)
    reason = caught.value.reason
    assert isinstance(reason, InvalidError)
    assert reason.problem.errors is not None
    assert [each.flight for each in reason.problem.errors] == [33]
    assert reason.problem.errors[0].pointer == "/flights/33/airline"
    assert numbers(caught.value.done) == list(range(30))


def test_flights_are_read_lazily() -> None:
    """No more flights are read than the concurrent requests hold."""
    taken = 0

    def endless() -> Iterator[dict[str, Any]]:
        nonlocal taken
        for flight in flights(10**6 // 100):
            taken += 1
            yield flight

    with DelayClient(URL, transport=Service().transport()) as client:
        stream = client.predict_stream(endless(), chunk=10, concurrency=3)
        assert numbers(next(stream) for _ in range(20)) == list(range(20))
    assert taken <= 50


def test_asynchronous_iterables_are_accepted() -> None:
    """An asynchronous iterable is read lazily, streamed, and resumed."""

    async def source() -> AsyncIterator[dict[str, Any]]:
        for flight in flights(30):
            yield {**flight, "airline": "?"} if flight["flight_number"] == "15" else flight

    async def ask() -> list[int]:
        async with AsyncDelayClient(URL, transport=Service().transport()) as client:
            got: list[Prediction] = []
            try:
                async for prediction in client.predict_stream(source(), chunk=10):
                    got.append(prediction)  # noqa: PERF401 - predictions before the error are kept
            except IncompleteError as stopped:
                rest = [each async for each in stopped.remaining]
            mended = [{**each, "airline": "LAN"} for each in rest]
            return numbers(got + await client.predict_many(mended))

    assert asyncio.run(ask()) == list(range(30))


def test_progress_is_reported(runner: ClientRunner, capsys: pytest.CaptureFixture[str]) -> None:
    """A function gets done and total; `True` draws a bar on standard error."""
    reports: list[tuple[int, int | None]] = []

    def note(done: int, total: int | None) -> None:
        reports.append((done, total))

    client = Service().transport_for(runner)
    runner.call(URL, "predict_many", flights(25), client=client, chunk=10, progress=note)
    assert reports == [(10, 25), (20, 25), (25, 25)]
    runner.call(URL, "predict_many", iter(flights(5)), client=client, progress=note)
    assert reports[-2:] == [(5, None), (5, 5)]
    runner.call(URL, "predict_many", flights(25), client=client, progress=True)
    drawn = capsys.readouterr().err
    assert "25 of 25 flights" in drawn
    assert drawn.endswith("\n")
    assert max(len(line) for line in drawn.split("\r")) <= 80


@pytest.mark.parametrize("options", [{"chunk": 0}, {"chunk": MAX_FLIGHTS + 1}, {"concurrency": 0}])
def test_sizes_out_of_range_raise(runner: ClientRunner, options: dict[str, int]) -> None:
    """Sizes that the service would reject raise before any request."""
    with pytest.raises(ValueError, match=next(iter(options))):
        runner.call(URL, "predict_many", [], client=Service().transport_for(runner), **options)


def test_an_error_of_the_iterable_passes_through(runner: ClientRunner) -> None:
    """An exception of the iterable reaches the caller unchanged."""

    def failing() -> Iterator[dict[str, Any]]:
        yield from flights(15)
        message = "disk on fire"
        raise OSError(message)

    with pytest.raises(OSError, match="disk on fire"):
        runner.call(
            URL, "predict_many", failing(), client=Service().transport_for(runner), chunk=10
        )


def test_halves_of_a_chunk_keep_their_index() -> None:
    """Each half has the index of its first flight in the call."""
    (chunk,) = batches.chunked(iter(flights(5)), 10)
    first, second = chunk.halves()
    assert [(each.start, len(each.flights)) for each in (first, second)] == [(0, 2), (2, 3)]
