"""Fast path: the same responses, keys and logs as by the ASGI path, on a real socket."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from data.flights import Flights
from model.inference.calibration import FloatArray
from model.inference.predictor import Predictor
from serving.api import large_requests
from serving.api.auth import digest
from serving.api.large_requests import cut
from serving.contract.decoding import decode
from serving.contract.schema import EXAMPLE_FLIGHT, PredictionRequest
from serving.models.loaded import Runtime
from serving.settings import Settings
from tests.support.http_client import BODY, ask, read_response, request, reset
from tests.support.sockets import BROKEN, Server, run, serving, until
from tests.support.sockets import fast_bodies as fast_bodies  # noqa: PLC0414 - a fixture
from tests.support.sockets import runtime as runtime  # noqa: PLC0414 - a fixture

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


def test_the_fast_path_returns_request_ids(runtime: Runtime, fast_bodies: list[bytes]) -> None:
    """A valid request id and trace come back on the fast path; an invalid id is replaced."""
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    async def test(server: Server) -> None:
        named = f"x-request-id: it-is-me\r\ntraceparent: {parent}\r\n"
        [(_, headers, _)] = await ask(server.port, request(headers=named))
        assert (headers["x-request-id"], headers["traceparent"]) == ("it-is-me", parent)
        [(_, headers, _)] = await ask(server.port, request(headers="x-request-id: a b\r\n"))
        assert " " not in headers["x-request-id"]
        assert len(fast_bodies) == 2

    run(test, runtime)


@pytest.mark.parametrize("number", range(len(PLAIN)))
def test_both_paths_give_the_same_response(
    runtime: Runtime, fast_bodies: list[bytes], number: int
) -> None:
    """Status, headers and body of the fast path are those of the ASGI path."""

    async def test(server: Server) -> None:
        plain = PLAIN[number]
        marked = plain.replace(b"\r\nhost", b"\r\nconnection: Keep-Alive\r\nhost")
        [(status, headers, body)] = await ask(server.port, plain)
        assert len(fast_bodies) == 1
        [(other_status, other_headers, other_body)] = await ask(server.port, marked)
        assert len(fast_bodies) == 1
        for each in (headers, other_headers):
            each.pop("date")
            assert len(each.pop("x-request-id")) > 12  # each request has its own id
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
def test_unusual_requests_take_the_asgi_path(
    runtime: Runtime, fast_bodies: list[bytes], unusual: bytes
) -> None:
    """A request that is unusual in any respect gets its response by the ASGI path."""

    async def test(server: Server) -> None:
        [(status, _, body)] = await ask(server.port, unusual)
        assert (status, len(body["predictions"])) == (200, 1)
        assert fast_bodies == []

    run(test, runtime)


def test_trailers_are_no_headers(runtime: Runtime) -> None:
    """Trailers after a chunked body have no effect: a proxy may have checked the headers only."""
    head = "content-type: application/json\r\ntransfer-encoding: chunked\r\nx: "
    chunks = b"%x\r\n%b\r\n0\r\ncontent-encoding: gzip\r\n\r\n" % (len(BODY), BODY)
    sent = request(headers=head).replace(BODY, chunks)

    async def test(server: Server) -> None:
        [(status, _, body)] = await ask(server.port, sent)
        assert (status, len(body["predictions"])) == (200, 1)

    run(test, runtime)


def test_pipelined_requests_are_answered_in_order(runtime: Runtime) -> None:
    """Pipelined requests get their own responses, in order."""

    async def test(server: Server) -> None:
        bodies = [json.dumps({"flights": [EXAMPLE_FLIGHT] * n}).encode() for n in (3, 1, 2, 5, 4)]
        broken = request(BROKEN)
        sent = [*map(request, bodies[:2]), broken, *map(request, bodies[2:])]
        answers = await ask(server.port, *sent)
        assert [status for status, _, _ in answers] == [200, 200, 422, 200, 200, 200]
        counts = [len(body["predictions"]) for status, _, body in answers if status == 200]
        assert counts == [3, 1, 2, 5, 4]

    run(test, runtime)


def test_a_body_may_arrive_in_pieces(runtime: Runtime, fast_bodies: list[bytes]) -> None:
    """A request that arrives byte by byte takes the fast path."""

    async def test(server: Server) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for byte in request():
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        status, _, body = await read_response(reader)
        assert (status, len(body["predictions"])) == (200, 1)
        assert fast_bodies == [BODY]
        writer.close()

    run(test, runtime)


def test_connection_close_is_honoured(runtime: Runtime) -> None:
    """`Connection: close` ends the connection after the response."""

    async def test(server: Server) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(request(headers="connection: close\r\n"))
        assert (await read_response(reader))[1]["connection"] == "close"
        assert await reader.read() == b""
        writer.close()

    run(test, runtime)


def test_the_work_of_disconnected_clients_is_dropped(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flights of a client that resets its connection while they wait are not scored."""
    scored: list[int] = []
    score = Predictor.score

    def spy(self: Predictor, flights: Flights) -> FloatArray:
        scored.append(len(flights))
        return score(self, flights)

    monkeypatch.setattr(Predictor, "score", spy)

    async def test(server: Server) -> None:
        monkeypatch.setattr(server.engine, "_scheduled", True)  # no batch runs meanwhile
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(request())
        await until(lambda: server.engine.waiting > 0)
        reset(writer)
        await until(lambda: server.engine.waiting == 0)
        monkeypatch.setattr(server.engine, "_scheduled", False)
        [(status, _, _)] = await ask(server.port, request())
        assert status == 200
        assert reader.at_eof() or scored == [1]

    run(test, runtime)
    assert scored == [1]


def test_a_bulk_request_is_dropped_with_its_client(runtime: Runtime) -> None:
    """The rest of ten thousand flights is not scored after the client has disconnected."""

    async def test(server: Server) -> None:
        body = json.dumps({"flights": [EXAMPLE_FLIGHT] * 10_000}).encode()
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(request(body))
        await until(lambda: server.engine.waiting > 0)
        reset(writer)
        left: list[int] = []

        def dropped() -> bool:
            left.append(server.engine.waiting)
            return left[-1] == 0

        await until(dropped)
        assert left[-2] > 1_000

    run(test, runtime)


def test_late_requests_get_504(runtime: Runtime) -> None:
    """A request whose time has passed gets 504, without having been scored."""

    async def test(server: Server) -> None:
        server.engine._scheduled = True  # no batch runs meanwhile
        late = request(headers="x-request-timeout-ms: 1\r\n")
        answer = asyncio.create_task(ask(server.port, late))
        await until(lambda: server.engine.waiting > 0)
        await asyncio.sleep(0.01)
        server.engine._scheduled = False
        server.engine._schedule()
        [(status, _, problem)] = await answer
        assert (status, problem["type"]) == (504, "urn:flight-delay:problem:too-late")

    run(test, runtime)


def test_a_deadline_ends_the_reading_of_a_large_body(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The deadline ends the decoding of a body, too; that is not logged."""
    pieces: list[bytes] = []

    def spy(body: bytes) -> PredictionRequest:
        pieces.append(body)
        return decode(body)

    monkeypatch.setattr(large_requests, "decode", spy)
    body = json.dumps({"flights": [EXAMPLE_FLIGHT] * 10_000}).encode()

    async def test(server: Server) -> None:
        late = request(body, headers="x-request-timeout-ms: 5\r\n")
        [(status, _, problem)] = await ask(server.port, late)
        assert (status, problem["type"]) == (504, "urn:flight-delay:problem:too-late")
        assert len(pieces) < len(cut(body)) // 2
        assert not caplog.records

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


def test_a_waiting_request_is_answered_at_the_stop(runtime: Runtime) -> None:
    """An accepted request is answered before the server ends, and the connection is closed."""

    async def main() -> tuple[int, dict[str, str], Any]:
        async with serving(runtime) as server:
            server.engine._scheduled = True  # no batch runs meanwhile
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


KEY, SLOW = "key of the board", "key of the slow one"
ASGI_PATH = "connection: Keep-Alive\r\n"
"""Header without effect that puts a request on the ASGI path."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a key file."""
    made = tmp_path / "keys"
    made.write_text(f"board {digest(KEY)}\nslow {digest(SLOW)} 1\n")
    return made


def run_with_keys(
    test: Callable[[Server], Awaitable[None]], runtime: Runtime, file: Path | None
) -> None:
    """Run a test against a server, with keys where there is a file."""

    async def main() -> None:
        async with serving(runtime, Settings(api_keys_file=file)) as server:
            await asyncio.wait_for(test(server), 120)

    asyncio.run(main())


async def response_to(port: int, headers: str) -> tuple[int, dict[str, str], Any]:
    """Return a response without what differs between any two."""
    [(status, said, body)] = await ask(port, request(headers=headers))
    for name in ("date", "x-request-id"):
        said.pop(name)
    return status, said, body


@pytest.mark.parametrize(
    ("shown", "status"),
    [
        ("", 401),
        ("authorization: Basic abc\r\n", 401),
        ("x-api-key: wrong\r\n", 403),
        (f"authorization: Bearer {KEY}x\r\n", 403),
        (f"x-api-key: {KEY}\r\n", 200),
        (f"x-api-key:  {KEY} \t\r\n", 200),
        (f"authorization: Bearer {KEY}\r\n", 200),
        (f"x-api-key: {SLOW}\r\n", 200),
    ],
)
def test_keys_hold_on_both_paths(
    runtime: Runtime, fast_bodies: list[bytes], file: Path, shown: str, status: int
) -> None:
    """Both paths give the same response to each key; a refused request is not decoded."""

    async def test(server: Server) -> None:
        short = await response_to(server.port, shown)
        assert short[0] == status
        assert len(fast_bodies) == (status == 200)
        if SLOW in shown:
            await asyncio.sleep(1.1)
        assert short == await response_to(server.port, shown + ASGI_PATH)
        assert len(fast_bodies) == (status == 200)

    run_with_keys(test, runtime, file)


def test_both_paths_share_one_rate_limit(runtime: Runtime, file: Path) -> None:
    """A request on one path counts for the rate of the key on the other."""
    file.write_text(f"slow {digest(SLOW)} 0.001\n")  # no busy machine takes that long

    async def test(server: Server) -> None:
        shown = f"x-api-key: {SLOW}\r\n"
        assert (await response_to(server.port, shown + ASGI_PATH))[0] == 200
        refusals = [
            await response_to(server.port, shown),
            await response_to(server.port, shown + ASGI_PATH),
        ]
        assert [status for status, _, _ in refusals] == [429, 429]
        waits = [int(headers.pop("retry-after")) for _, headers, _ in refusals]
        assert all(1 < wait <= 1_000 for wait in waits)
        assert refusals[0] == refusals[1]

    run_with_keys(test, runtime, file)


@pytest.mark.parametrize("way", ["", ASGI_PATH])
@pytest.mark.parametrize("name", ["x-request-id: it-is-me\r\n", ""])
def test_a_failure_is_logged_with_the_request_id_of_its_response(
    runtime: Runtime,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    way: str,
    name: str,
) -> None:
    """Log line and response of a failed request have the same id, on both paths."""

    def fail(*_: object) -> list[float]:
        raise ValueError

    monkeypatch.setattr(Predictor, "score", fail)

    async def test(server: Server) -> None:
        with caplog.at_level(logging.ERROR, "flight_delay"):
            [(status, said, _)] = await ask(server.port, request(headers=way + name))
        [line] = [each for each in caplog.records if each.getMessage() == "request failed"]
        assert status == 500
        assert line.__dict__["request"] == said["x-request-id"]
        assert not name or said["x-request-id"] == "it-is-me"

    run_with_keys(test, runtime, None)
