"""What the short way cuts: slow and idle clients, too many, and requests without end."""

from __future__ import annotations

import asyncio
import gc

import pytest

from serving import metrics
from serving.models.loaded import Runtime
from tests.support.sockets import (
    BODY,
    BROKEN,
    CHUNKED,
    Server,
    ask,
    read_answer,
    request,
    run,
)
from tests.support.sockets import runtime as runtime  # noqa: PLC0414 - a fixture


@pytest.mark.parametrize("sent", [b"", b"POST /pre", request()[:-1]])
def test_slow_clients_are_cut(runtime: Runtime, sent: bytes) -> None:
    """A connection whose request does not get complete is closed; the client is told why."""

    async def test(server: Server) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(sent)
        said = await asyncio.wait_for(reader.read(), 25)
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
        assert await asyncio.wait_for(reader.read(), 25) == b""
        writer.close()

    run(test, runtime, idle=3.0)


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
    """Headers, addresses, chunk extensions and trailers cannot be sent for ever."""

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
    """A head that is short enough may still hold too many."""

    async def test(server: Server) -> None:
        [(answered, _, _)] = await ask(server.port, request(headers="a:b\r\n" * headers))
        assert answered == status

    run(test, runtime)


def test_the_connection_goes_on_after_a_refusal(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused twice, then answered, on one connection, as soon as there is room."""

    async def test(server: Server) -> None:
        room = server.engine._max_queue
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for allowed, expected in ((0, 503), (0, 503), (room, 200), (0, 503), (room, 200)):
            monkeypatch.setattr(server.engine, "_max_queue", allowed)
            writer.write(request())
            status, _, _ = await read_answer(reader)
            assert status == expected
        writer.close()

    run(test, runtime)


def test_every_refusal_is_counted(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests that find the queue full stand in the metrics like all others."""

    async def test(server: Server) -> None:
        monkeypatch.setattr(server.engine, "_max_queue", 0)
        before = dict(metrics.buffer._requests)
        for body in (BODY, b"{", BODY):
            await ask(server.port, request(body))
        assert metrics.buffer._requests[503] == before.get(503, 0) + 3

    run(test, runtime)
