"""The short way of predictions: a real server on a socket, spoken to byte by byte."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import uvicorn

from model.bundle import Bundle
from model.predictor import Predictor
from serving import batching, inline
from serving.batching import BentoBatcher, Row
from serving.contract import EXAMPLE_FLIGHT
from serving.front import FrontDoor
from serving.house import House
from serving.inline import InlineBatcher
from serving.predict import PredictDelay
from serving.protocol import ShortWayProtocol
from serving.runtime import Runtime
from serving.settings import Settings

BODY = json.dumps({"flights": [EXAMPLE_FLIGHT]}).encode()
BROKEN = b'{"flights": [{}]}'


async def _no_runner(rows: list[Row]) -> list[float]:
    raise AssertionError(rows)


async def _inside(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError(scope, receive, send)


@dataclass(frozen=True)
class Server:
    """A running server."""

    engine: InlineBatcher
    port: int


@pytest.fixture
def runtime(bundle: Bundle) -> Runtime:
    """The loaded model."""
    return Runtime("flight_delay:test", bundle, Settings(), BentoBatcher(_no_runner))


@asynccontextmanager
async def serving(
    runtime: Runtime, settings: Settings | None = None, **limits: float
) -> AsyncIterator[Server]:
    """Serve on a free port of the loopback for as long as the block lasts."""
    allowed = {"bytes": 4_000_000, "connections": 100, "read": 30.0, "idle": 30.0, **limits}
    door = FrontDoor(_inside, lambda: runtime, settings or Settings())
    house = House(
        door.predict_delay,
        door.keys,
        int(allowed["bytes"]),
        int(allowed["connections"]),
        allowed["read"],
        allowed["idle"],
    )
    config = uvicorn.Config(door, port=0, log_level="error", lifespan="off", access_log=False)
    config.load()
    config.http_protocol_class = partial(ShortWayProtocol, house)  # type: ignore[assignment] # as `install` does
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    assert isinstance(runtime.engine, InlineBatcher)
    yield Server(runtime.engine, server.servers[0].sockets[0].getsockname()[1])
    server.should_exit = True
    await asyncio.wait_for(task, 10)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something to become true inside the server."""
    while not condition():  # noqa: ASYNC110 - it happens in code that announces nothing
        await asyncio.sleep(0.001)


def request(body: bytes = BODY, headers: str = "content-type: application/json\r\n") -> bytes:
    """The bytes of a plain request."""
    head = (
        f"POST /predict_delay HTTP/1.1\r\nhost: x\r\n{headers}content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], Any]:
    """Status, headers and body of the next answer on a connection."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head[1:-2])
    body = await reader.readexactly(int(headers["content-length"]))
    return int(head[0].split()[1]), headers, json.loads(body)


async def ask(port: int, *requests: bytes) -> list[tuple[int, dict[str, str], Any]]:
    """Send requests at once over one connection, and read as many answers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"".join(requests))
    answers = [await read_answer(reader) for _ in requests]
    writer.close()
    return answers


def run(test: Callable[[Server], Awaitable[None]], runtime: Runtime, **limits: float) -> None:
    """Run a test against a server."""

    async def main() -> None:
        async with serving(runtime, None, **limits) as server:
            await asyncio.wait_for(test(server), 30)

    asyncio.run(main())


@pytest.fixture
def shortened(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Bodies that went the short way."""
    bodies: list[bytes] = []
    submit = PredictDelay.submit

    def spy(self: PredictDelay, body: bytes, *rest: Any) -> Any:
        bodies.append(body)
        return submit(self, body, *rest)

    monkeypatch.setattr(PredictDelay, "submit", spy)
    return bodies


PLAIN = [
    request(),
    request(headers=""),
    request(BROKEN),
    request(b"{"),
    request(headers="content-type: application/json\r\nx-request-timeout-ms: 5000\r\n"),
    request(headers="x-request-timeout-ms: soon\r\n"),
    request(json.dumps({"flights": [EXAMPLE_FLIGHT], "explain": True}).encode()),
    request(json.dumps({"flights": [EXAMPLE_FLIGHT] * 300}).encode()),
]


def test_the_short_way_names_a_request_as_its_client_does(
    runtime: Runtime, shortened: list[bytes]
) -> None:
    """A good name and a good trace come back on the short way too, without what is malformed."""
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    async def test(server: Server) -> None:
        named = f"x-request-id: it-is-me\r\ntraceparent: {parent}\r\n"
        [(_, headers, _)] = await ask(server.port, request(headers=named))
        assert (headers["x-request-id"], headers["traceparent"]) == ("it-is-me", parent)
        [(_, headers, _)] = await ask(server.port, request(headers="x-request-id: a b\r\n"))
        assert " " not in headers["x-request-id"]
        assert len(shortened) == 2

    run(test, runtime)


@pytest.mark.parametrize("number", range(len(PLAIN)))
def test_both_ways_give_the_same_answer(
    runtime: Runtime, shortened: list[bytes], number: int
) -> None:
    """Status, headers and body of the short way are those of the way through ASGI."""

    async def test(server: Server) -> None:
        plain = PLAIN[number]
        marked = plain.replace(b"\r\nhost", b"\r\nconnection: Keep-Alive\r\nhost")
        [(status, headers, body)] = await ask(server.port, plain)
        assert len(shortened) == 1
        [(other_status, other_headers, other_body)] = await ask(server.port, marked)
        assert len(shortened) == 1
        for each in (headers, other_headers):
            each.pop("date")
            assert len(each.pop("x-request-id")) > 12  # each request has a name of its own
        assert (status, headers, body) == (other_status, other_headers, other_body)

    run(test, runtime)


@pytest.mark.parametrize(
    "unusual",
    [
        request(headers="content-type: application/json; charset=utf-8\r\n"),
        request(headers="content-encoding: identity\r\n"),
        request().replace(b"/predict_delay", b"/predict_delay?x=1"),
        request().replace(b"/predict_delay", b"/predict%5Fdelay"),
        request().replace(b"content-length: ", b"transfer-encoding: chunked\r\nx: ")
        .replace(BODY, b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)),
        request(BODY + b" " * 70_000),
        request().replace(b"HTTP/1.1", b"HTTP/1.0"),
    ],
)  # fmt: skip
def test_what_is_not_plain_goes_the_long_way(
    runtime: Runtime, shortened: list[bytes], unusual: bytes
) -> None:
    """Requests that are unusual in any respect are answered all the same, by uvicorn and ASGI."""

    async def test(server: Server) -> None:
        [(status, _, body)] = await ask(server.port, unusual)
        assert (status, len(body["predictions"])) == (200, 1)
        assert shortened == []

    run(test, runtime)


def test_pipelined_requests_are_answered_in_order(runtime: Runtime) -> None:
    """Requests that are sent without waiting get their own answers, in their order."""

    async def test(server: Server) -> None:
        bodies = [json.dumps({"flights": [EXAMPLE_FLIGHT] * n}).encode() for n in (3, 1, 2, 5, 4)]
        broken = request(BROKEN)
        sent = [*map(request, bodies[:2]), broken, *map(request, bodies[2:])]
        answers = await ask(server.port, *sent)
        assert [status for status, _, _ in answers] == [200, 200, 422, 200, 200, 200]
        counts = [len(body["predictions"]) for status, _, body in answers if status == 200]
        assert counts == [3, 1, 2, 5, 4]

    run(test, runtime)


def test_a_body_may_arrive_in_pieces(runtime: Runtime, shortened: list[bytes]) -> None:
    """A request is complete when its last byte is, however it was cut."""

    async def test(server: Server) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for byte in request():
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        status, _, body = await read_answer(reader)
        assert (status, len(body["predictions"])) == (200, 1)
        assert shortened == [BODY]
        writer.close()

    run(test, runtime)


def test_a_connection_is_closed_where_asked(runtime: Runtime) -> None:
    """`Connection: close` is honoured."""

    async def test(server: Server) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(request(headers="connection: close\r\n"))
        assert (await read_answer(reader))[1]["connection"] == "close"
        assert await reader.read() == b""
        writer.close()

    run(test, runtime)


def test_the_work_of_clients_that_left_is_dropped(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flights of a client that disconnects while they wait are not scored."""
    scored: list[int] = []
    score = batching.score_at_once

    def spy(predictor: Predictor, flights: Any) -> list[float]:
        scored.append(len(flights))
        return score(predictor, flights)

    monkeypatch.setattr(inline, "score_at_once", spy)

    async def test(server: Server) -> None:
        monkeypatch.setattr(server.engine, "_scheduled", True)  # nobody scores for the moment
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(request())
        await until(lambda: server.engine.waiting > 0)
        writer.transport.abort()
        await until(lambda: server.engine.waiting == 0)
        monkeypatch.setattr(server.engine, "_scheduled", False)
        [(status, _, _)] = await ask(server.port, request())
        assert status == 200
        assert reader.at_eof() or scored == [1]

    run(test, runtime)
    assert scored == [1]


def test_a_bulk_request_is_dropped_with_its_client(runtime: Runtime) -> None:
    """Ten thousand flights are not scored to their end for a client that has left."""

    async def test(server: Server) -> None:
        body = json.dumps({"flights": [EXAMPLE_FLIGHT] * 10_000}).encode()
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(request(body))
        await until(lambda: server.engine.waiting > 0)
        writer.transport.abort()
        left: list[int] = []

        def dropped() -> bool:
            left.append(server.engine.waiting)
            return left[-1] == 0

        await until(dropped)
        assert left[-2] > 1_000

    run(test, runtime)


def test_late_requests_are_told_so(runtime: Runtime) -> None:
    """A request whose time has passed gets 504, without having been scored."""

    async def test(server: Server) -> None:
        server.engine._scheduled = True  # nobody scores for the moment
        late = request(headers="x-request-timeout-ms: 1\r\n")
        answer = asyncio.create_task(ask(server.port, late))
        await until(lambda: server.engine.waiting > 0)
        await asyncio.sleep(0.01)
        server.engine._scheduled = False
        server.engine._schedule()
        [(status, _, problem)] = await answer
        assert (status, problem["type"]) == (504, "urn:flight-delay:problem:too-late")

    run(test, runtime)


def test_a_full_queue_answers_at_once(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond capacity the answer is 503 with Retry-After, before the body is even read as JSON."""

    async def test(server: Server) -> None:
        monkeypatch.setattr(server.engine, "_max_queue", 0)
        for body in (BODY, b"{"):
            [(status, headers, problem)] = await ask(server.port, request(body))
            assert (status, headers["retry-after"]) == (503, "1")
            assert problem["type"] == "urn:flight-delay:problem:overloaded"

    run(test, runtime)


def test_an_answer_under_way_survives_the_shutdown(runtime: Runtime) -> None:
    """What was accepted is answered before the server ends, and the connection is closed."""

    async def main() -> tuple[int, dict[str, str], Any]:
        async with serving(runtime) as server:
            server.engine._scheduled = True  # nobody scores for the moment
            answer = asyncio.create_task(ask(server.port, request()))
            await until(lambda: server.engine.waiting > 0)

            def go_on() -> None:
                server.engine._scheduled = False
                server.engine._schedule()

            asyncio.get_running_loop().call_later(0.5, go_on)
        [answered] = await answer
        return answered

    status, headers, _ = asyncio.run(asyncio.wait_for(main(), 30))
    assert (status, headers["connection"]) == (200, "close")


@pytest.mark.parametrize("sent", [b"", b"POST /pre", request()[:-1]])
def test_slow_clients_are_cut(runtime: Runtime, sent: bytes) -> None:
    """A connection whose request does not get complete is closed; the client is told why."""

    async def test(server: Server) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(sent)
        said = await asyncio.wait_for(reader.read(), 5)
        assert said.startswith(b"HTTP/1.1 408") == bool(sent)
        writer.close()

    run(test, runtime, read=0.2)


def test_bytes_that_trickle_in_do_not_help(runtime: Runtime) -> None:
    """The time for a request counts from its first byte, however steadily the rest follows."""

    async def test(server: Server) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for byte in request():
            writer.write(bytes([byte]))
            await asyncio.sleep(0.02)
            if reader._buffer:  # type: ignore[attr-defined] # asyncio does not say otherwise
                break
        assert (await reader.read()).startswith(b"HTTP/1.1 408")
        writer.close()

    run(test, runtime, read=0.2)


def test_idle_connections_are_closed(runtime: Runtime) -> None:
    """Between requests a connection is kept for its time and not longer."""

    async def test(server: Server) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for _ in range(2):
            writer.write(request())
            assert (await read_answer(reader))[0] == 200
            await asyncio.sleep(0.1)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()

    run(test, runtime, idle=0.3)


def test_connections_beyond_the_limit_are_told_so(runtime: Runtime) -> None:
    """One connection too many gets 503; the others go on, and make room when they close."""

    async def test(server: Server) -> None:
        held = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(3)]
        await asyncio.sleep(0.05)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        assert (await read_answer(reader))[0] == 503
        writer.close()
        held[0][1].write(request())
        assert (await read_answer(held[0][0]))[0] == 200
        held[1][1].close()
        await asyncio.sleep(0.05)
        assert [status for status, _, _ in await ask(server.port, request())] == [200]
        for _, each in held:
            each.close()

    run(test, runtime, connections=3)


@pytest.mark.parametrize("body", [BODY, BROKEN])
def test_requests_leave_nothing_to_the_collector(runtime: Runtime, body: bytes) -> None:
    """What a request needed is freed with it: collections stop everybody else's requests too."""

    async def test(server: Server) -> None:
        await ask(server.port, request(body))
        gc.collect()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            for _ in range(20):
                writer.write(request(body))
                await read_answer(reader)
            gc.collect()
            left = [type(each).__name__ for each in gc.garbage]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
        writer.close()
        assert not {"Exchange", "Job", "Flights", "PredictionRequest"} & set(left)

    run(test, runtime)


CHUNKED = b"POST /predict_delay HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("start", "more", "status"),
    [
        (b"POST /predict_delay HTTP/1.1\r\n", b"x-padding: " + b"y" * 990 + b"\r\n", 431),
        (b"GET /", b"a" * 1_000, 431),
        (CHUNKED, b"1;" + b"e" * 990 + b"\r\n \r\n", 413),
        (CHUNKED + b"0\r\n", b"x-trailer: " + b"y" * 990 + b"\r\n", 413),
    ],
)  # fmt: skip
def test_requests_without_end_are_ended(
    runtime: Runtime, start: bytes, more: bytes, status: int
) -> None:
    """Headers, addresses, chunk extensions and trailers cannot be sent for ever."""

    async def test(server: Server) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(start)
        for _ in range(1_000):
            writer.write(more)
            await writer.drain()
            await asyncio.sleep(0)
        said = await asyncio.wait_for(reader.read(), 5)
        assert said.startswith(b"HTTP/1.1 %d" % status)
        writer.close()

    run(test, runtime, bytes=200_000)
