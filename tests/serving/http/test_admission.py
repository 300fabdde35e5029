"""New connections where there is no room: idle ones make it, and what is refused is read."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from serving import metrics
from serving.http.admission import EXTRA_SHARE, RESERVED_FILES, AdmissionControl
from serving.http.timeouts import GRACE_SECONDS, SWEEP_SECONDS, IdleConnectionReaper
from serving.models.loaded import Runtime
from tests.support.sockets import LARGE, Server, ask, read_answer, request, run
from tests.support.sockets import runtime as runtime  # noqa: PLC0414 - a fixture

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
LIVE = b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n"
LIMIT = 3


def closed(reason: str) -> float:
    """How many connections were closed for this reason."""
    return float(metrics.connections_closed.labels(reason)._value.get())


async def connect(port: int, sent: bytes = b"", answers: int = 0) -> Streams:
    """A connection that has sent something, and has read so many answers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    for _ in range(answers):
        await read_answer(reader)
    await asyncio.sleep(SWEEP_SECONDS + 0.2)  # so fine is the time of a connection
    return reader, writer


def close(connections: list[Streams]) -> None:
    """Close them all."""
    for _, writer in connections:
        writer.close()


def test_the_one_that_is_idle_longest_makes_room(runtime: Runtime) -> None:
    """Silent or kept alive, the longest idle is closed for a new one; those at work go on."""

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
            assert (await read_answer(reader))[0] == 200
        assert closed("idle") == before + 2
        close([at_work, kept, silent, *new])

    run(test, runtime, connections=LIMIT)


def test_where_none_is_idle_only_health_checks_are_answered(runtime: Runtime) -> None:
    """Others get 503 after their request, and the service's state is told all the same."""

    async def test(server: Server) -> None:
        at_work = [await connect(server.port, request()[:-1]) for _ in range(LIMIT)]
        for path in (b"/livez", b"/readyz", b"/healthz"):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(LIVE.replace(b"/livez", path) * 2)
            said = await reader.read()
            assert said.startswith(b"HTTP/1.1 200")
            assert said.count(b"HTTP/1.1") == said.count(b"connection: close") == 1
            writer.close()
        for sent in (request(), LIVE.replace(b"livez", b"model")):
            [(status, headers, problem)] = await ask(server.port, sent)
            assert (status, problem["type"]) == (503, "urn:flight-delay:problem:overloaded")
            assert (headers["connection"], headers["retry-after"]) == ("close", "1")
        for reader, writer in at_work:
            writer.write(request()[-1:])
            assert (await read_answer(reader))[0] == 200
        await asyncio.sleep(GRACE_SECONDS + SWEEP_SECONDS)
        assert (await ask(server.port, request()))[0][0] == 200
        close(at_work)

    run(test, runtime, connections=LIMIT)


def test_those_that_still_send_read_their_refusal(runtime: Runtime) -> None:
    """A client that sends a large body beyond the limit gets 503 and the end, and no reset."""

    async def client(port: int) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        sent = request(LARGE)
        for start in range(0, len(sent), 8_192):
            writer.write(sent[start : start + 8_192])
            await asyncio.sleep(0.005)
        status, _, _ = await read_answer(reader)
        assert await reader.read() == b""
        writer.close()
        return status

    async def test(server: Server) -> None:
        at_work = [await connect(server.port, request()[:-1]) for _ in range(LIMIT)]
        found = await asyncio.gather(*[client(server.port) for _ in range(50)])
        assert found == [503] * 50
        close(at_work)

    run(test, runtime, connections=LIMIT)


def test_health_is_told_among_floods_of_idle_connections(runtime: Runtime) -> None:
    """Connections by the hundred that stay and say nothing keep nobody out."""

    async def test(server: Server) -> None:
        held: list[Streams] = []
        for _ in range(5):
            held += [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(20)]
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(LIVE)
            assert (await reader.readuntil(b"alive\n")).startswith(b"HTTP/1.1 200")
            writer.close()
            await asyncio.sleep(GRACE_SECONDS)
            assert (await ask(server.port, request()))[0][0] == 200
        close(held)

    run(test, runtime, connections=10)


def test_a_request_that_has_arrived_is_not_cut(runtime: Runtime) -> None:
    """Clients that ask at once, more than there is room for, are answered: 200 or 503."""

    async def client(port: int) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request())
        status, _, _ = await read_answer(reader)
        await asyncio.sleep(0.01)
        writer.close()
        return status

    async def test(server: Server) -> None:
        for _ in range(20):
            found = set(await asyncio.gather(*[client(server.port) for _ in range(60)]))
            assert 200 in found
            assert found <= {200, 503}

    run(test, runtime, connections=10)


class Conflict:
    """A connection that cannot be closed to make room."""

    last_progress = timeout = float("inf")
    looks = 0

    @property
    def idle(self) -> bool:
        """Note that somebody asked."""
        Conflict.looks += 1
        return False

    has_unread_bytes = False

    def expire(self) -> None:
        """Never called."""
        raise AssertionError


def test_new_ones_by_the_thousand_do_not_cost_a_look_at_all_others_each() -> None:
    """Where none is idle, that is known for a moment."""

    async def main() -> None:
        reaper, loop = IdleConnectionReaper(), asyncio.get_running_loop()
        busy: list[Any] = [Conflict() for _ in range(100)]
        for each in busy:
            reaper.add(each, loop)
        admissions = AdmissionControl(reaper, 100, 10_000)
        for descriptor in range(5_000):
            admissions.admit(descriptor)
        for each in busy:
            reaper.remove(each)

    Conflict.looks = 0
    asyncio.run(main())
    assert 0 < Conflict.looks < 5_000 * 100 / 4


@pytest.mark.parametrize("files", [100, 256, 1_024, 4_096, 20_000])
def test_connections_leave_files_free(files: int, caplog: pytest.LogCaptureFixture) -> None:
    """However few may be open, the connections and those beyond leave some; fewer are told of."""
    caplog.set_level(logging.WARNING)
    admissions = AdmissionControl(IdleConnectionReaper(), 4_000, files)
    assert 1 <= admissions.limit <= 4_000
    most = admissions.limit + admissions._extra
    assert most <= max(files - RESERVED_FILES, 8)
    assert (admissions.limit < 4_000) == (f"{files} open files" in caplog.text)
    assert files < 20_000 or admissions._extra == 4_000 // EXTRA_SHARE
