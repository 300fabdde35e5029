"""Refusals that close the connection: invalid, slow, endless and too large requests."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
from collections.abc import Callable

import pytest

from serving import metrics
from serving.api.asgi import PROTECTION
from serving.http.protocol import FastPathProtocol
from serving.http.timeouts import SWEEP_SECONDS, IdleConnectionReaper
from serving.models.loaded import Runtime
from tests.support.http_client import BODY, ask, exchange, read_response, request, statuses
from tests.support.sockets import BROKEN, CHUNKED, LARGE, Server, run, until
from tests.support.sockets import runtime as runtime  # noqa: PLC0414 - a fixture

UNFINISHED = b"POST /predict_delay HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{"


@pytest.mark.parametrize(
    "sent",
    [
        b"hello\r\n\r\n",
        b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
        b"POST /predict_delay HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"POST /predict_delay HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        b"POST /predict_delay HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"CONNECT example.org:443 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)  # fmt: skip
def test_invalid_http_gets_a_problem_document(runtime: Runtime, sent: bytes) -> None:
    """Invalid HTTP gets 400 with the headers, request id and document of any error response."""

    async def test(server: Server) -> None:
        [(status, headers, problem)] = await exchange(server.port, sent)
        assert (status, problem["status"]) == (400, 400)
        assert problem["type"] == "urn:flight-delay:problem:bad-request"
        assert headers["content-type"] == "application/problem+json"
        assert headers["connection"] == "close"
        assert len(headers["x-request-id"]) > 12
        for name, value in PROTECTION:
            assert headers[name.decode()] == value.decode().lower()

    run(test, runtime)


@pytest.mark.parametrize(
    ("first", "last", "status"),
    [
        (request(), b"nonsense\r\n\r\n", 400),
        (request() * 3, b"nonsense\r\n\r\n", 400),
        (request() + request(LARGE), b"nonsense\r\n\r\n", 400),
        (request(LARGE), b"GET /" + b"a" * 40_000, 431),
        (request(), UNFINISHED, 408),
        (request() + request(LARGE), UNFINISHED, 408),
        (request() + request(LARGE), b"POST /predict_delay HT", 408),
    ],
)
def test_a_refusal_waits_for_the_answers_before_it(
    runtime: Runtime, first: bytes, last: bytes, status: int
) -> None:
    """Valid requests before an invalid one get their responses first."""
    good = first.count(b"HTTP/1.1")

    async def test(server: Server) -> None:
        server.engine._scheduled = True  # no batch runs meanwhile
        answers = asyncio.create_task(statuses(server.port, first + last[:15], last[15:]))
        await until(lambda: server.engine.waiting > 0)
        await asyncio.sleep(0.3 + SWEEP_SECONDS)
        server.engine._scheduled = False
        server.engine._schedule()
        assert await answers == [200] * good + [status]

    run(test, runtime, read=0.2, bytes=400_000)


@pytest.mark.parametrize("path", [b"/nothing", b"/livez"])
def test_no_request_is_refused_after_its_answer(runtime: Runtime, path: bytes) -> None:
    """A request that was answered before its body arrived gets no second response."""

    async def test(server: Server) -> None:
        sent = UNFINISHED.replace(b"/predict_delay", path)
        assert len(await exchange(server.port, sent)) == 1

    run(test, runtime, read=0.2)


def test_a_connection_with_a_late_body_expires(runtime: Runtime) -> None:
    """After a response that did not wait for the body, the connection is idle like any other."""

    async def test(server: Server) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(request()[:-5].replace(b"/predict_delay", b"/nothing"))
        assert (await read_response(reader))[0] == 404
        writer.write(request()[-5:])
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()

    run(test, runtime, idle=0.3)


def test_a_client_that_never_reads_is_disconnected(runtime: Runtime) -> None:
    """A client that reads no responses is disconnected after the time of an idle connection."""

    async def test(server: Server) -> None:
        loop = asyncio.get_running_loop()
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            connection.setblocking(False)
            await loop.sock_connect(connection, ("127.0.0.1", server.port))
            for _ in range(200):
                try:
                    await loop.sock_sendall(connection, request(LARGE) * 20)
                except OSError:
                    return
                await asyncio.sleep(0.05)
            pytest.fail("the connection is still open")

    run(test, runtime, idle=0.5, read=0.5)


@pytest.mark.parametrize("headers", ["upgrade: websocket\r\n", "upgrade: h2c\r\n"])
def test_nothing_is_upgraded(runtime: Runtime, headers: str) -> None:
    """A request that offers another protocol is answered, and so are those after it."""

    async def test(server: Server) -> None:
        offer = request(headers=f"connection: Upgrade\r\n{headers}sec-websocket-version: 13\r\n")
        for each in (offer + request(BROKEN), request() + offer + offer + request(BROKEN)):
            answers = await ask(server.port, each, *[b""] * (each.count(b"HTTP/1.1") - 1))
            assert [each.status for each in answers] == [200] * (len(answers) - 1) + [422]

    run(test, runtime)


def test_many_offers_at_once_are_answered_one_by_one(runtime: Runtime) -> None:
    """More offers in one read than the recursion limit of Python are all answered."""
    count = 2 * sys.getrecursionlimit()
    head = b"GET /nothing HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"

    async def test(server: Server) -> None:
        answers = await ask(server.port, head * count, *[b""] * (count - 1))
        assert [each.status for each in answers] == [404] * count

    run(test, runtime)


def test_expect_100_continue_is_answered(runtime: Runtime) -> None:
    """`Expect: 100-continue` gets 100, then one response."""

    async def test(server: Server) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        head, body = request(headers="expect: 100-continue\r\n").split(b"\r\n\r\n")
        writer.write(head + b"\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(body)
        assert (await read_response(reader))[0] == 200
        assert (await ask(server.port, request()))[0].status == 200
        writer.close()

    run(test, runtime)


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a b\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: x\r\n\r\n",
        b"GET / HTTP/2.0\r\nhost: x\r\n\r\n",
        b"CONNECT / HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\n" + b"a:b\r\n" * 300 + b"\r\n",
    ],
)
def test_refused_connections_are_freed(runtime: Runtime, sent: bytes) -> None:
    """No refused connection stays in memory, such as in the traceback of an error."""

    async def test(server: Server) -> None:
        for _ in range(20):
            assert len(await exchange(server.port, sent)) == 1
        await asyncio.sleep(0.1)
        gc.collect()
        kept = [each for each in gc.get_objects() if isinstance(each, FastPathProtocol)]
        assert len(kept) < 5

    run(test, runtime)


def test_an_error_of_one_connection_does_not_stop_the_reaper() -> None:
    """When one connection cannot be closed, the others are closed, in this and later sweeps."""

    class Connection:
        last_progress, timeout, idle, has_unread_bytes = 0.0, -1.0, True, False

        def __init__(self, expire: Callable[[], None]) -> None:
            self.expire = expire

    def fail() -> None:
        raise OSError

    cuts: list[float] = []

    async def main() -> None:
        reaper, loop = IdleConnectionReaper(), asyncio.get_running_loop()
        bad = [Connection(fail) for _ in range(8)]
        good = Connection(lambda: cuts.append(loop.time()))
        for each in (*bad[:4], good, *bad[4:]):
            reaper.add(each, loop)
        while len(cuts) < 2:  # noqa: ASYNC110 - the reaper sets no event
            await asyncio.sleep(SWEEP_SECONDS / 10)
        for each in (*bad, good):
            reaper.remove(each)

    asyncio.run(asyncio.wait_for(main(), 120))


@pytest.mark.parametrize("sent", [b"", b"POST /pre", request()[:-1]])
def test_slow_clients_are_disconnected(runtime: Runtime, sent: bytes) -> None:
    """A connection with an incomplete request is closed after a 408."""

    async def test(server: Server) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(sent)
        said = await asyncio.wait_for(reader.read(), 25)
        assert said.startswith(b"HTTP/1.1 408") == bool(sent)
        writer.close()

    run(test, runtime, read=0.2)


def test_a_trickle_of_bytes_does_not_extend_the_timeout(runtime: Runtime) -> None:
    """The time for a request counts from its first byte, however the rest follows."""

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
    """A connection is kept for `idle_seconds` between requests."""

    async def test(server: Server) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for _ in range(2):
            writer.write(request())
            assert (await read_response(reader))[0] == 200
            await asyncio.sleep(0.1)
        assert await asyncio.wait_for(reader.read(), 25) == b""
        writer.close()

    run(test, runtime, idle=3.0)


@pytest.mark.parametrize("body", [BODY, BROKEN])
def test_requests_make_no_reference_cycles(runtime: Runtime, body: bytes) -> None:
    """Objects of a request are freed without the garbage collector, which delays all requests."""

    async def test(server: Server) -> None:
        await ask(server.port, request(body))
        gc.collect()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            for _ in range(20):
                writer.write(request(body))
                await read_response(reader)
            gc.collect()
            left = [type(each).__name__ for each in gc.garbage]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
        writer.close()
        assert not {"RequestCycle", "PendingRequest", "Flights", "PredictionRequest"} & set(left)

    run(test, runtime)


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
    """Headers, paths, chunk extensions and trailers without end are refused."""

    async def test(server: Server) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(start)
        for _ in range(1_000):
            writer.write(more)
            await writer.drain()
            await asyncio.sleep(0)
        said = await asyncio.wait_for(reader.read(), 25)
        assert said.startswith(b"HTTP/1.1 %d" % status)
        writer.close()

    run(test, runtime, bytes=200_000)


@pytest.mark.parametrize(("headers", "status"), [(200, 200), (300, 431)])
def test_headers_are_counted(runtime: Runtime, headers: int, status: int) -> None:
    """The number of headers is limited, too."""

    async def test(server: Server) -> None:
        [(answered, _, _)] = await ask(server.port, request(headers="a:b\r\n" * headers))
        assert answered == status

    run(test, runtime)


def test_the_connection_goes_on_after_a_refusal(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request is answered on the connection of refused ones as soon as the queue has room."""

    async def test(server: Server) -> None:
        room = server.engine._max_queue
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for allowed, expected in ((0, 503), (0, 503), (room, 200), (0, 503), (room, 200)):
            monkeypatch.setattr(server.engine, "_max_queue", allowed)
            writer.write(request())
            status, _, _ = await read_response(reader)
            assert status == expected
        writer.close()

    run(test, runtime)


def test_every_refusal_is_counted(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests that find the queue full are counted in the metrics."""

    async def test(server: Server) -> None:
        monkeypatch.setattr(server.engine, "_max_queue", 0)
        before = dict(metrics.buffer._requests)
        for body in (BODY, b"{", BODY):
            await ask(server.port, request(body))
        assert metrics.buffer._requests[503] == before.get(503, 0) + 3

    run(test, runtime)
