"""Refusals of a full queue: plain requests are not even parsed, and nobody can tell."""

from __future__ import annotations

import asyncio

import pytest

from serving import metrics
from serving.bulk import LARGE_BODY
from serving.plain import is_plain
from serving.runtime import Runtime
from tests.serving.sockets import BODY, Server, ask, read_answer, request, run
from tests.serving.sockets import runtime as runtime  # noqa: PLC0414 - a fixture
from tests.serving.sockets import shortened as shortened  # noqa: PLC0414 - a fixture

LENGTH = b"Content-Length: 2\r\n"
HEAD = b"POST /predict_delay HTTP/1.1\r\n"


@pytest.mark.parametrize(
    "head",
    [
        LENGTH,
        b"Host: a\r\n" + LENGTH,
        b"host: a:80\r\ncontent-type: application/json\r\n" + LENGTH.lower() + b"Accept: */*\r\n",
        b"User-Agent: curl/8\r\nAccept-Encoding: gzip, br\r\n" + LENGTH + b"HOST:  b \r\n",
    ],
)
def test_plain_requests_are_recognised(head: bytes) -> None:
    """What wrk, curl and the usual clients send is plain, in any order and spelling."""
    assert is_plain(HEAD + head + b"\r\n{}")


@pytest.mark.parametrize(
    "data",
    [
        HEAD + LENGTH + b"\r\n{",  # not whole
        HEAD + LENGTH + b"\r\n{}P",  # the beginning of another
        HEAD + LENGTH + b"\r\n{}" + HEAD + LENGTH + b"\r\n{}",
        HEAD + LENGTH + LENGTH + b"\r\n{}",
        HEAD + b"Content-Length: 0\r\n\r\n",
        HEAD + b"Content-Length: +2\r\n\r\n{}",
        HEAD + b"Content-Length : 2\r\n\r\n{}",
        HEAD + b"Content-Length: %d\r\n\r\n" % (LARGE_BODY + 1) + b" " * (LARGE_BODY + 1),
        HEAD + b"\r\n{}",
        HEAD + LENGTH + b"Content-Type: text/plain\r\n\r\n{}",
        HEAD + LENGTH + b"Content-Type: application/json; charset=utf-8\r\n\r\n{}",
        HEAD + LENGTH + b"Connection: close\r\n\r\n{}",
        HEAD + LENGTH + b"Expect: 100-continue\r\n\r\n{}",
        HEAD + LENGTH + b"Transfer-Encoding: chunked\r\n\r\n{}",
        HEAD + LENGTH + b"X-Request-ID: it-is-me\r\n\r\n{}",
        HEAD + LENGTH + b"X-API-Key: secret\r\n\r\n{}",
        HEAD + LENGTH + b"Host: a\x00b\r\n\r\n{}",
        HEAD + LENGTH + b"Host: a\nb\r\n\r\n{}",
        HEAD + LENGTH + b"Host: a\r\n folded\r\n\r\n{}",
        HEAD + LENGTH + b"User-Agent: " + b"a" * 300 + b"\r\n\r\n{}",
        HEAD.replace(b"1.1", b"1.0") + LENGTH + b"\r\n{}",
        HEAD.replace(b"POST", b"post") + LENGTH + b"\r\n{}",
        HEAD.replace(b"predict_delay", b"predict_delay?a") + LENGTH + b"\r\n{}",
        HEAD.replace(b"POST", b"GET") + LENGTH + b"\r\n{}",
    ],
)
def test_all_others_are_parsed(data: bytes) -> None:
    """A request that asks for anything else, or is not one whole request, is not plain."""
    assert not is_plain(data)


def test_refused_unread_or_parsed_the_answer_is_the_same(
    runtime: Runtime, shortened: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for the name of the request, the two refusals are equal, head and body."""

    async def test(server: Server) -> None:
        monkeypatch.setattr(server.engine, "_max_queue", 0)
        unread, named = [
            (await ask(server.port, request(headers=headers)))[0]
            for headers in ("", "x-request-id: it-is-me\r\n")
        ]
        assert len(shortened) == 1  # the one with a name was parsed
        assert unread[0] == named[0] == 503
        assert unread[2] == named[2]
        assert {**unread[1], "x-request-id": "", "date": ""} == {
            **named[1],
            "x-request-id": "",
            "date": "",
        }

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
    """Requests that are not parsed stand in the metrics like all others."""

    async def test(server: Server) -> None:
        monkeypatch.setattr(server.engine, "_max_queue", 0)
        before = dict(metrics.tally._requests)
        for body in (BODY, b"{", BODY):
            await ask(server.port, request(body))
        assert metrics.tally._requests[503] == before.get(503, 0) + 3

    run(test, runtime)


def test_a_request_in_pieces_is_refused_too(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that arrives byte by byte, and two that arrive as one, each get their refusal."""

    async def test(server: Server) -> None:
        monkeypatch.setattr(server.engine, "_max_queue", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for byte in request():
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        assert (await read_answer(reader))[0] == 503
        writer.write(request() * 2)
        assert [(await read_answer(reader))[0] for _ in range(2)] == [503, 503]
        writer.close()

    run(test, runtime)
