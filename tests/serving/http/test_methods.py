"""Every method, version and offer of another protocol that the parser knows, on a real socket."""

from __future__ import annotations

import asyncio

import pytest

from serving.http.protocol import BODY_PIECE, MAX_BYTES_PER_TURN, FastPathProtocol
from serving.models.loaded import Runtime
from tests.support.sockets import BODY, BROKEN, Server, ask, request, run
from tests.support.sockets import runtime as runtime  # noqa: PLC0414 - a fixture
from tests.support.sockets import shortened as shortened  # noqa: PLC0414 - a fixture

METHODS = (
    "DELETE", "GET", "POST", "PUT", "OPTIONS", "TRACE", "COPY", "LOCK", "MKCOL", "MOVE", "PROPFIND",
    "PROPPATCH", "SEARCH", "UNLOCK", "BIND", "REBIND", "UNBIND", "ACL", "REPORT", "MKACTIVITY",
    "CHECKOUT", "MERGE", "M-SEARCH", "NOTIFY", "SUBSCRIBE", "UNSUBSCRIBE", "PATCH", "PURGE",
    "MKCALENDAR", "LINK", "UNLINK", "SOURCE", "QUERY",
)  # fmt: skip
"""llhttp's methods of HTTP but HEAD, CONNECT and PRI."""
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
    """The bytes of a request."""
    lines = f"{method} {target} {version}\r\nhost: x\r\n{offer}content-length: {len(body)}\r\n\r\n"
    return lines.encode() + body


async def statuses(port: int, sent: bytes) -> list[int]:
    """Send bytes and no more; statuses of all answers until the connection is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    found = []
    while head := await reader.readline():
        found.append(int(head.split()[1]))
        rest = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(rest.split(b"content-length: ")[1].split(b"\r\n")[0]))
    writer.close()
    return found


@pytest.mark.parametrize("target", ["/", "x:443", "/predict_delay", "*"])
@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0", "HTTP/2.0"])
def test_a_tunnel_is_refused(runtime: Runtime, target: str, version: str) -> None:
    """CONNECT gets 400 and the end of the connection, and the service goes on."""

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
    """Each gets one answer within its time, whatever it offers; only POST asks for predictions."""

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


def test_an_offer_changes_nothing_else(runtime: Runtime, shortened: list[bytes]) -> None:
    """What a connection header says beside its offer still holds, and so does the version."""

    async def test(server: Server) -> None:
        for end in (OFFERS[5], "connection: close\r\n"):
            sent = message("POST", "/predict_delay", "HTTP/1.1", end, BODY)
            assert await statuses(server.port, sent + request(BROKEN)) == [200]
        for offer in OFFERS:
            sent = message("POST", "/predict_delay", "HTTP/1.0", offer, BODY)
            assert await statuses(server.port, sent + request(BROKEN)) == [200]
        assert shortened == []

    run(test, runtime)


def test_what_arrives_at_once_is_read_in_several_turns(
    runtime: Runtime, shortened: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of thousands of requests that are refused at once, one turn of the event loop reads few."""
    parse_pending, read = FastPathProtocol._parse_pending, []

    def spy(self: FastPathProtocol) -> None:
        before = len(shortened)
        parse_pending(self)
        read.append(len(shortened) - before)

    monkeypatch.setattr(FastPathProtocol, "_parse_pending", spy)

    async def test(server: Server) -> None:
        count = 3_000
        answers = await ask(server.port, request(BROKEN) * count, *[b""] * (count - 1))
        assert {status for status, _, _ in answers} == {422}

    run(test, runtime)
    assert len(shortened) == 3_000
    assert max(read) <= (MAX_BYTES_PER_TURN + BODY_PIECE) / len(request(BROKEN))
