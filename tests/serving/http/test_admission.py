"""Admission: idle connections are closed for new ones, and refused requests get a response."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from serving import metrics
from serving.http.admission import EXTRA_SHARE, RESERVED_FILES, AdmissionControl
from serving.http.timeouts import GRACE_SECONDS, SWEEP_SECONDS, IdleConnectionReaper
from serving.models.loaded import Runtime
from tests.support.http_client import GET_LIVEZ, ask, read_response, request
from tests.support.sockets import LARGE, Server, run
from tests.support.sockets import runtime as runtime  # noqa: PLC0414 - a fixture

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
LIMIT = 3


def closed(reason: str) -> float:
    """Return how many connections were closed for this reason."""
    return float(metrics.connections_closed.labels(reason)._value.get())


async def connect(port: int, sent: bytes = b"", answers: int = 0) -> Streams:
    """Return a connection that has sent a request and read its responses."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    for _ in range(answers):
        await read_response(reader)
    await asyncio.sleep(SWEEP_SECONDS + 0.2)  # the resolution of `last_progress`
    return reader, writer


def close(connections: list[Streams]) -> None:
    """Close connections."""
    for _, writer in connections:
        writer.close()


def test_the_longest_idle_connection_is_evicted(runtime: Runtime) -> None:
    """The longest idle connection is closed for a new one; active ones go on."""

    async def test(server: Server) -> None:
        before = closed("idle")
        at_work = await connect(server.port, request()[:-1])
        kept = await connect(server.port, request(), answers=1)
        silent = await connect(server.port)
        new = [await connect(server.port, request(), answers=1) for _ in range(2)]
        assert await kept[0].read() == b""
        assert await silent[0].read() == b""
        at_work[1].write(request()[-1:] + request())
        for reader, writer in (at_work, *new):
            writer.write(request())
            assert (await read_response(reader))[0] == 200
        assert closed("idle") == before + 2
        close([at_work, kept, silent, *new])

    run(test, runtime, connections=LIMIT)


def test_where_none_is_idle_only_health_checks_are_answered(runtime: Runtime) -> None:
    """All other requests get 503; health checks are answered beyond the limit."""

    async def test(server: Server) -> None:
        at_work = [await connect(server.port, request()[:-1]) for _ in range(LIMIT)]
        for path in (b"/livez", b"/readyz", b"/healthz"):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(GET_LIVEZ.replace(b"/livez", path) * 2)
            said = await reader.read()
            assert said.startswith(b"HTTP/1.1 200")
            assert said.count(b"HTTP/1.1") == said.count(b"connection: close") == 1
            writer.close()
        for sent in (request(), GET_LIVEZ.replace(b"livez", b"model")):
            [(status, headers, problem)] = await ask(server.port, sent)
            assert (status, problem["type"]) == (503, "urn:flight-delay:problem:overloaded")
            assert (headers["connection"], headers["retry-after"]) == ("close", "1")
        for reader, writer in at_work:
            writer.write(request()[-1:])
            assert (await read_response(reader))[0] == 200
        await asyncio.sleep(GRACE_SECONDS + SWEEP_SECONDS)
        assert (await ask(server.port, request()))[0][0] == 200
        close(at_work)

    run(test, runtime, connections=LIMIT)


def test_a_client_that_still_sends_reads_its_refusal(runtime: Runtime) -> None:
    """A client that sends a large body beyond the limit gets 503 and no reset."""

    async def client(port: int) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        sent = request(LARGE)
        for start in range(0, len(sent), 8_192):
            writer.write(sent[start : start + 8_192])
            await asyncio.sleep(0.005)
        status, _, _ = await read_response(reader)
        assert await reader.read() == b""
        writer.close()
        return status

    async def test(server: Server) -> None:
        at_work = [await connect(server.port, request()[:-1]) for _ in range(LIMIT)]
        found = await asyncio.gather(*[client(server.port) for _ in range(50)])
        assert found == [503] * 50
        close(at_work)

    run(test, runtime, connections=LIMIT)


def test_idle_floods_do_not_lock_out_other_clients(runtime: Runtime) -> None:
    """Health checks and predictions are answered beside a hundred idle connections."""

    async def test(server: Server) -> None:
        held: list[Streams] = []
        for _ in range(5):
            held += [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(20)]
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(GET_LIVEZ)
            assert (await reader.readuntil(b"alive\n")).startswith(b"HTTP/1.1 200")
            writer.close()
            await asyncio.sleep(GRACE_SECONDS)
            assert (await ask(server.port, request()))[0][0] == 200
        close(held)

    run(test, runtime, connections=10)


def test_a_request_that_has_arrived_is_not_evicted(runtime: Runtime) -> None:
    """More simultaneous clients than the limit all get a response: 200 or 503."""

    async def client(port: int) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request())
        status, _, _ = await read_response(reader)
        await asyncio.sleep(0.01)
        writer.close()
        return status

    async def test(server: Server) -> None:
        for _ in range(20):
            found = set(await asyncio.gather(*[client(server.port) for _ in range(60)]))
            assert 200 in found
            assert found <= {200, 503}

    run(test, runtime, connections=10)


class BusyConnection:
    """Connection that is never idle."""

    last_progress = timeout = float("inf")
    scans = 0

    @property
    def idle(self) -> bool:
        """Count the call."""
        BusyConnection.scans += 1
        return False

    has_unread_bytes = False

    def expire(self) -> None:
        """Never called."""
        raise AssertionError


def test_not_every_new_connection_scans_all_others() -> None:
    """After an eviction without result, the next ones do not scan for a moment."""

    async def main() -> None:
        reaper, loop = IdleConnectionReaper(), asyncio.get_running_loop()
        busy: list[Any] = [BusyConnection() for _ in range(100)]
        for each in busy:
            reaper.add(each, loop)
        admissions = AdmissionControl(reaper, 100, 10_000)
        for descriptor in range(5_000):
            admissions.admit(descriptor)
        for each in busy:
            reaper.remove(each)

    BusyConnection.scans = 0
    asyncio.run(main())
    assert 0 < BusyConnection.scans < 5_000 * 100 / 4


@pytest.mark.parametrize("files", [100, 256, 1_024, 4_096, 20_000])
def test_connections_leave_files_free(files: int, caplog: pytest.LogCaptureFixture) -> None:
    """Connections leave file descriptors free; a lower limit is logged."""
    caplog.set_level(logging.WARNING)
    admissions = AdmissionControl(IdleConnectionReaper(), 4_000, files)
    assert 1 <= admissions.limit <= 4_000
    most = admissions.limit + admissions._extra
    assert most <= max(files - RESERVED_FILES, 8)
    assert (admissions.limit < 4_000) == (f"{files} open files" in caplog.text)
    assert files < 20_000 or admissions._extra == 4_000 // EXTRA_SHARE
