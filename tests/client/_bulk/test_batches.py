"""Many flights: cut to the server's limits, a few requests at a time, in order, lazily."""

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
from tests.client.conftest import Twin
from tests.client.faults import answer_body

URL = "http://service"


def flights(count: int, start: int = 0) -> list[dict[str, Any]]:
    """Flights as dictionaries; the number tells which one it is."""
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
    """Answers as the service does, and notes sizes and how many requests were under way."""

    def __init__(self, most_bytes: int = MAX_BODY_BYTES, seconds: float = 0.0) -> None:
        self.sizes: list[int] = []
        self.bytes: list[int] = []
        self.under_way = self.most_under_way = 0
        self._most_bytes = most_bytes
        self._seconds = seconds
        self._lock = threading.Lock()

    def transport(self) -> httpx.MockTransport:
        """A transport that answers without a network, for either client."""
        return httpx.MockTransport(self._answer)

    def transport_for(self, twin: Twin) -> dict[str, Any]:
        """Options of a client that asks it."""
        handler = self._answer if twin.kind == "sync" else self._answer_async
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
            return _refusal(413, "too-large", None)
        bad = [
            {"pointer": f"/flights/{n}/airline", "flight": n, "detail": "no code"}
            for n, flight in enumerate(json.loads(body)["flights"])
            if flight["airline"] == "?"
        ]
        if bad:
            return _refusal(422, "invalid", bad)
        return httpx.Response(200, content=answer_body(body))


def _refusal(status: int, kind: str, errors: list[dict[str, Any]] | None) -> httpx.Response:
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
    """Which flights predictions belong to."""
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
def test_requests_have_the_size_that_is_asked_for(
    twin: Twin, count: int, options: dict[str, Any], sizes: list[int]
) -> None:
    """1,000 flights a request, 100 where they are explained, or what the caller says."""
    service = Service()
    got = twin.call(
        URL, "predict_many", flights(count), client=service.transport_for(twin), **options
    )
    assert numbers(got) == list(range(count))
    assert sorted(service.sizes) == sizes


@pytest.mark.parametrize("concurrency", [1, 3])
def test_no_more_requests_than_allowed_are_under_way(twin: Twin, concurrency: int) -> None:
    """As many as allowed are, and the answers are in order all the same."""
    service = Service(seconds=0.02)
    options = {"chunk": 5, "concurrency": concurrency}
    got = twin.call(URL, "predict_many", flights(50), client=service.transport_for(twin), **options)
    assert numbers(got) == list(range(50))
    assert service.most_under_way == concurrency


def test_large_bodies_are_halved_before_they_are_sent(twin: Twin) -> None:
    """No request is longer than the service accepts, however long its flights are written."""
    service = Service()
    long = [{**each, "airline": "L" * 3000} for each in flights(2500)]
    got = twin.call(
        URL, "predict_many", long, client=service.transport_for(twin), chunk=MAX_FLIGHTS
    )
    assert numbers(got) == list(range(2500))
    assert max(service.bytes) <= MAX_BODY_BYTES
    assert sorted(service.sizes) == [1250, 1250]


def test_a_service_with_smaller_limits_is_met(twin: Twin) -> None:
    """Where the service says 413, the request is halved until it fits."""
    service = Service(most_bytes=1500)
    got = twin.call(URL, "predict_many", flights(60), client=service.transport_for(twin))
    assert numbers(got) == list(range(60))


def test_one_flight_that_is_too_large_is_told(twin: Twin) -> None:
    """What cannot be halved any more is the service's refusal."""
    service = Service(most_bytes=10)
    with pytest.raises(IncompleteError) as caught:
        twin.call(URL, "predict_many", flights(2), client=service.transport_for(twin))
    assert isinstance(caught.value.reason, TooLargeError)


def test_an_invalid_flight_is_named_by_its_place_among_all(twin: Twin) -> None:
    """The service counts within a request, the client within the call."""
    service = Service()
    broken = flights(40)
    broken[33]["airline"] = "?"
    with pytest.raises(IncompleteError, match="/flights/33/airline") as caught:
        twin.call(URL, "predict_many", broken, client=service.transport_for(twin), chunk=10)
    reason = caught.value.reason
    assert isinstance(reason, InvalidError)
    assert reason.problem.errors is not None
    assert [each.flight for each in reason.problem.errors] == [33]
    assert reason.problem.errors[0].pointer == "/flights/33/airline"
    assert numbers(caught.value.done) == list(range(30))


def test_flights_are_taken_as_they_are_needed() -> None:
    """Of an endless source no more is read than the requests under way hold."""
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


def test_asynchronous_sources_are_taken_too() -> None:
    """An asynchronous iterable is read lazily, streamed, and resumed."""

    async def source() -> AsyncIterator[dict[str, Any]]:
        for flight in flights(30):
            yield {**flight, "airline": "?"} if flight["flight_number"] == "15" else flight

    async def ask() -> list[int]:
        async with AsyncDelayClient(URL, transport=Service().transport()) as client:
            got: list[Prediction] = []
            try:
                async for prediction in client.predict_stream(source(), chunk=10):
                    got.append(prediction)  # noqa: PERF401 - what came before the error is kept
            except IncompleteError as stopped:
                rest = [each async for each in stopped.remaining]
            mended = [{**each, "airline": "LAN"} for each in rest]
            return numbers(got + await client.predict_many(mended))

    assert asyncio.run(ask()) == list(range(30))


def test_progress_is_told(twin: Twin, capsys: pytest.CaptureFixture[str]) -> None:
    """A function is told how many of how many; a bar is drawn on standard error."""
    told: list[tuple[int, int | None]] = []

    def note(done: int, total: int | None) -> None:
        told.append((done, total))

    client = Service().transport_for(twin)
    twin.call(URL, "predict_many", flights(25), client=client, chunk=10, progress=note)
    assert told == [(10, 25), (20, 25), (25, 25)]
    twin.call(URL, "predict_many", iter(flights(5)), client=client, progress=note)
    assert told[-2:] == [(5, None), (5, 5)]
    twin.call(URL, "predict_many", flights(25), client=client, progress=True)
    drawn = capsys.readouterr().err
    assert "25 of 25 flights" in drawn
    assert drawn.endswith("\n")
    assert max(len(line) for line in drawn.split("\r")) <= 80


@pytest.mark.parametrize("options", [{"chunk": 0}, {"chunk": MAX_FLIGHTS + 1}, {"concurrency": 0}])
def test_impossible_sizes_are_refused(twin: Twin, options: dict[str, int]) -> None:
    """What the service would not take is not asked."""
    with pytest.raises(ValueError, match=next(iter(options))):
        twin.call(URL, "predict_many", [], client=Service().transport_for(twin), **options)


def test_an_error_of_the_source_is_the_callers_own(twin: Twin) -> None:
    """An exception of the iterable passes as it is."""

    def failing() -> Iterator[dict[str, Any]]:
        yield from flights(15)
        message = "disk on fire"
        raise OSError(message)

    with pytest.raises(OSError, match="disk on fire"):
        twin.call(URL, "predict_many", failing(), client=Service().transport_for(twin), chunk=10)


def test_chunks_know_their_places() -> None:
    """Halves begin where they lie among all flights."""
    (chunk,) = batches.chunked(iter(flights(5)), 10)
    first, second = chunk.halves()
    assert [(each.start, len(each.flights)) for each in (first, second)] == [(0, 2), (2, 3)]
