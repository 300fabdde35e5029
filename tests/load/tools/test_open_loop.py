"""Open-loop load: arrival times, complete counts and latencies."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from load.tools import open_loop
from load.tools.server_process import HOST, free_port

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy"


class _Answering(asyncio.Protocol):
    """Server that answers 503 to the body ``busy`` and 200 to others, in two parts."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        answer = BUSY if data.endswith(b"busy") else GOOD
        self.transport.write(answer[:20])
        asyncio.get_running_loop().call_soon(self.transport.write, answer[20:])


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Return the port of a small server in a thread."""
    chosen, loop, ready = free_port(), asyncio.new_event_loop(), threading.Event()

    def serve() -> None:
        server = loop.run_until_complete(loop.create_server(_Answering, HOST, chosen))
        loop.call_soon(ready.set)
        loop.run_forever()
        server.close()
        loop.run_until_complete(asyncio.sleep(0.01))
        loop.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert ready.wait(10)
    yield chosen
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)


def test_poisson_arrivals_have_their_rate_and_random_gaps() -> None:
    """Gaps are exponential: their mean equals their standard deviation."""
    due = open_loop.poisson(1000, 20, seed=1)
    gaps = np.diff(due)
    assert len(due) == pytest.approx(20_000, rel=0.03)
    assert due[-1] < 20
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.05)
    assert np.array_equal(due, open_loop.poisson(1000, 20, seed=1))


def test_constant_arrivals_have_equal_gaps() -> None:
    """Half a second at 10 per second has five requests."""
    assert open_loop.constant(10, 0.5).tolist() == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])


def test_a_request_is_complete() -> None:
    """Content-Length is the length of the body in bytes."""
    (request,) = open_loop.http_requests(["ñ".encode()], 3000)
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /predict_delay HTTP/1.1\r\nHost: 127.0.0.1:3000\r\n")
    assert b"Content-Length: 2" in head
    assert body == "ñ".encode()


def test_the_end_of_an_answer_is_known_from_its_head() -> None:
    """The length is unknown until the head is complete."""
    assert open_loop.answer_length(GOOD[:10]) is None
    assert open_loop.answer_length(GOOD[:-1]) == len(GOOD)
    with pytest.raises(ValueError, match="content-length"):
        open_loop.answer_length(b"HTTP/1.1 200 OK\r\n\r\n")


def test_every_arrival_is_answered_and_counted(port: int) -> None:
    """Requests that wait for the only connection are not dropped."""
    due = open_loop.constant(400, 0.25)
    run = open_loop.run(port, open_loop.http_requests([b"a", b"b"], port), due, connections=1)
    assert run.arrivals == 100
    assert run.failed == 0
    assert sum(row["answers"] for row in run.seconds) == 100
    assert run.latency_ms["p50"] >= run.lag_ms["p50"] >= 0
    assert run.to_json()["arrivals"] == 100


def test_other_answers_than_200_have_failed(port: int) -> None:
    """Every second request is refused, and its latency is left out."""
    requests = open_loop.http_requests([b"fine", b"busy"], port)
    run = open_loop.run(port, requests, open_loop.constant(400, 0.1), connections=4)
    assert run.failed == 20
    assert sum(row["answers"] for row in run.seconds) == 20


def test_sequential_calls_are_each_timed(port: int) -> None:
    """There are as many latencies as calls."""
    latencies = open_loop.sequential(port, open_loop.http_requests([b"a"], port), 20)
    assert len(latencies) == 20
    assert (latencies > 0).all()
