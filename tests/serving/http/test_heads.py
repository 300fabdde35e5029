"""What HTTP/1.1 asks of a head beyond what the parser checks (RFC 9112)."""

from __future__ import annotations

import pytest

from serving.models.loaded import Runtime
from tests.serving.http.test_methods import statuses
from tests.support.sockets import BODY, Server, request, run
from tests.support.sockets import runtime as runtime  # noqa: PLC0414 - a fixture
from tests.support.sockets import shortened as shortened  # noqa: PLC0414 - a fixture

HOST = b"host: x\r\n"
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
GOOD_HOSTS = (
    b"host: x", b"HOST:x", b"Host:  example.org:80 \t", b"host: [::1]:3000", b"host: 127.0.0.1:1",
    b"host: a_b-c.d", b"host: x%20y", b"host:", b"host: x:",
)  # fmt: skip
BAD_HOSTS = (
    b"", HOST + b"host: x", HOST + b"Host: y", b"host: a b", b"host: a/b", b"host: a@b",
    b"host: a,b:c", b"host: x:80a", b"host: [::1", b"host: http://x", b"host: x\xff", b"host: x%2",
    b"host: a?b", b"host: <x>",
)  # fmt: skip
BAD_CODINGS = (
    b"transfer-encoding: gzip, chunked", b"transfer-encoding: gzip\r\ntransfer-encoding: chunked",
    b"transfer-encoding: chunked, gzip", b"transfer-encoding: identity", b"transfer-encoding: x",
    b"transfer-encoding: chunked\r\ncontent-length: 3", b"transfer-encoding: chunked, chunked",
    b"content-length: 3\r\ntransfer-encoding: chunked", b"transfer-encoding: chunked;q=1",
    b"transfer-encoding: ", b"transfer-encoding: \x0bchunked", b"transfer-encoding : chunked",
)  # fmt: skip


def with_host(host: bytes, start: bytes, end: bytes = b"") -> bytes:
    """A request with these Host headers."""
    host = host + b"\r\n" if host else b""
    return b"%b\r\n%bcontent-length: %d\r\n%b\r\n%b" % (start, host, len(BODY), end, BODY)


@pytest.mark.parametrize("start", [b"POST /predict_delay", b"POST /predict_delay?way=long"])
def test_there_is_one_good_host(runtime: Runtime, start: bytes) -> None:
    """A missing, second or malformed Host gets 400; HTTP/1.0 needs none."""
    new, old, close = start + b" HTTP/1.1", start + b" HTTP/1.0", b"connection: close\r\n"

    async def test(server: Server) -> None:
        for host in GOOD_HOSTS:
            sent = with_host(host, new) + with_host(host, new, close)
            assert await statuses(server.port, sent) == [200, 200], host
            assert await statuses(server.port, with_host(host, old)) == [200], host
        for host in BAD_HOSTS:
            assert await statuses(server.port, with_host(host, new)) == [400], host
            assert await statuses(server.port, with_host(host, new, close)) == [400], host
            found = await statuses(server.port, with_host(host, old))
            assert found == [400 if host else 200], host

    run(test, runtime)


def test_only_chunks_are_decoded(runtime: Runtime) -> None:
    """Any other transfer coding, one beside a length, or in HTTP/1.0, gets 400."""

    async def test(server: Server) -> None:
        start = b"POST /predict_delay HTTP/1.1\r\nhost: x\r\n"
        end = b"\r\nconnection: close\r\n\r\n" + CHUNKS
        for coding in (b"transfer-encoding: chunked", b"Transfer-Encoding:\tCHUNKED "):
            assert await statuses(server.port, start + coding + end) == [200], coding
            old = start.replace(b"1.1", b"1.0") + coding + end
            assert await statuses(server.port, old) == [400], coding
        for coding in BAD_CODINGS:
            assert await statuses(server.port, start + coding + end) == [400], coding

    run(test, runtime)


def test_blanks_after_a_value_are_not_part_of_it(runtime: Runtime, shortened: list[bytes]) -> None:
    """A plain request stays one where blanks follow its values."""

    async def test(server: Server) -> None:
        sent = request().replace(b"json\r\n", b"json \t \r\n").replace(b"host: x", b"host: x  ")
        end = request(headers="connection: close \r\n")
        assert await statuses(server.port, sent + end) == [200, 200]

    run(test, runtime)
    assert shortened == [BODY]
