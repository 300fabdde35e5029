"""Heads of requests: Host, transfer codings, methods, versions, upgrades (RFC 9112)."""

from __future__ import annotations

import asyncio
import tracemalloc

import pytest

from serving.http.heads import is_host
from serving.http.protocol import BODY_PIECE, MAX_BYTES_PER_TURN, MAX_HEAD_BYTES, FastPathProtocol
from serving.models.loaded import Runtime
from tests.support.http_client import BODY, ask, chunked, request, statuses
from tests.support.sockets import BROKEN, Server, run
from tests.support.sockets import fast_bodies as fast_bodies  # noqa: PLC0414 - a fixture
from tests.support.sockets import runtime as runtime  # noqa: PLC0414 - a fixture

HOST = b"host: x\r\n"
CHUNKS = chunked(BODY)
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
    """Return a request with these Host headers."""
    host = host + b"\r\n" if host else b""
    return b"%b\r\n%bcontent-length: %d\r\n%b\r\n%b" % (start, host, len(BODY), end, BODY)


def test_hosts_of_clients_take_little_memory() -> None:
    """What is kept of a thousand different hosts, each as long as a head, is limited."""
    tracemalloc.start()
    try:
        assert all(is_host(b"%d" % number + b"a" * MAX_HEAD_BYTES) for number in range(1_100))
        assert tracemalloc.get_traced_memory()[0] < 4_000_000
    finally:
        tracemalloc.stop()
        is_host.cache_clear()


@pytest.mark.parametrize("start", [b"POST /predict_delay", b"POST /predict_delay?way=long"])
def test_one_valid_host_is_required(runtime: Runtime, start: bytes) -> None:
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


def test_chunked_is_the_only_transfer_coding(runtime: Runtime) -> None:
    """Another transfer coding, one beside a length, or one in HTTP/1.0 gets 400."""

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


def test_blanks_after_a_value_are_not_part_of_it(
    runtime: Runtime, fast_bodies: list[bytes]
) -> None:
    """Blanks after header values do not put a request on the ASGI path."""

    async def test(server: Server) -> None:
        sent = request().replace(b"json\r\n", b"json \t \r\n").replace(b"host: x", b"host: x  ")
        end = request(headers="connection: close \r\n")
        assert await statuses(server.port, sent + end) == [200, 200]

    run(test, runtime)
    assert fast_bodies == [BODY]


METHODS = (
    "DELETE", "GET", "POST", "PUT", "OPTIONS", "TRACE", "COPY", "LOCK", "MKCOL", "MOVE", "PROPFIND",
    "PROPPATCH", "SEARCH", "UNLOCK", "BIND", "REBIND", "UNBIND", "ACL", "REPORT", "MKACTIVITY",
    "CHECKOUT", "MERGE", "M-SEARCH", "NOTIFY", "SUBSCRIBE", "UNSUBSCRIBE", "PATCH", "PURGE",
    "MKCALENDAR", "LINK", "UNLINK", "SOURCE", "QUERY",
)  # fmt: skip
"""HTTP methods of llhttp except HEAD, CONNECT and PRI."""
NO_METHODS = ("CONNECT", "PRI", "DESCRIBE", "SETUP", "PLAY", "FLUSH", "BREW", "get", "")
VERSIONS = ("HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/0.9", "HTTP/1.2", "RTSP/1.0", "ICE/1.0")
OFFERS = (
    "",
    "upgrade: h2c\r\n",
    "connection: upgrade\r\n",
    "connection: upgrade\r\nupgrade: h2c\r\n",
    "connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAoAAA\r\n",
    "connection: close, Upgrade\r\nupgrade: websocket\r\n",
    "connection: keep-alive\r\nproxy-connection: upgrade\r\nupgrade: x\r\nupgrade: y\r\n",
)


def message(method: str, target: str, version: str, offer: str, body: bytes = b"") -> bytes:
    """Return the bytes of a request."""
    lines = f"{method} {target} {version}\r\nhost: x\r\n{offer}content-length: {len(body)}\r\n\r\n"
    return lines.encode() + body


@pytest.mark.parametrize("target", ["/", "x:443", "/predict_delay", "*"])
@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0", "HTTP/2.0"])
def test_a_tunnel_is_refused(runtime: Runtime, target: str, version: str) -> None:
    """CONNECT gets 400, the connection is closed, and the service goes on."""

    async def test(server: Server) -> None:
        for sent in (
            f"CONNECT {target} {version}\r\nHost: x\r\n\r\n".encode(),
            message("CONNECT", target, version, OFFERS[3]) * 3,
            message("CONNECT", target, version, OFFERS[5], BODY),
        ):
            assert await statuses(server.port, sent) == [400]
            assert await statuses(server.port, request() + sent) == [200, 400]
        assert (await ask(server.port, request()))[0][0] == 200

    run(test, runtime)


@pytest.mark.parametrize("offer", OFFERS)
def test_every_method_and_version_is_answered(runtime: Runtime, offer: str) -> None:
    """Each gets one response in time, with and without offers to upgrade; only POST predicts."""

    async def test(server: Server) -> None:
        for version in VERSIONS:
            for method in (*METHODS, *NO_METHODS):
                sent = message(method, "/predict_delay", version, offer, BODY)
                end = request(headers="connection: close\r\n")
                found = await asyncio.wait_for(statuses(server.port, sent + end), 5)
                if version != "HTTP/1.1" or method in NO_METHODS or "close" in offer:
                    assert len(found) == 1, (method, version)
                else:
                    assert found[1:] == [200], (method, version)
                if version in ("HTTP/1.1", "HTTP/1.0") and method in METHODS:
                    assert found[0] == (200 if method == "POST" else 405), (method, version)
                elif not version.startswith(("RTSP", "ICE")):
                    assert found[0] == 400, (method, version)

    run(test, runtime)


def test_an_upgrade_offer_changes_nothing_else(runtime: Runtime, fast_bodies: list[bytes]) -> None:
    """Other values of the Connection header, and the version, still have their effect."""

    async def test(server: Server) -> None:
        for end in (OFFERS[5], "connection: close\r\n"):
            sent = message("POST", "/predict_delay", "HTTP/1.1", end, BODY)
            assert await statuses(server.port, sent + request(BROKEN)) == [200]
        for offer in OFFERS:
            sent = message("POST", "/predict_delay", "HTTP/1.0", offer, BODY)
            assert await statuses(server.port, sent + request(BROKEN)) == [200]
        assert fast_bodies == []

    run(test, runtime)


def test_requests_that_arrive_at_once_are_parsed_in_several_turns(
    runtime: Runtime, fast_bodies: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One turn of the event loop parses few of thousands of requests."""
    parse_pending, read = FastPathProtocol._parse_pending, []

    def spy(self: FastPathProtocol) -> None:
        before = len(fast_bodies)
        parse_pending(self)
        read.append(len(fast_bodies) - before)

    monkeypatch.setattr(FastPathProtocol, "_parse_pending", spy)

    async def test(server: Server) -> None:
        count = 3_000
        answers = await ask(server.port, request(BROKEN) * count, *[b""] * (count - 1))
        assert {status for status, _, _ in answers} == {422}

    run(test, runtime)
    assert len(fast_bodies) == 3_000
    assert max(read) <= (MAX_BYTES_PER_TURN + BODY_PIECE) / len(request(BROKEN))
