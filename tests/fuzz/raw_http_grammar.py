"""Generate raw requests in every form that HTTP/1 allows and in many that it does not.

Plain uvicorn is the oracle of most (`tests.fuzz.raw_http`). `RULES` are requests for which the
service has its own rule, with the allowed statuses.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from serving.contract.schema import EXAMPLE_FLIGHT

DOCUMENTS: tuple[Any, ...] = (
    {"flights": [EXAMPLE_FLIGHT]},
    {"flights": [EXAMPLE_FLIGHT, {**EXAMPLE_FLIGHT, "flight_number": "7"}]},
    {"flights": [{**EXAMPLE_FLIGHT, "airline": "ZZZ"}] * 9},
    {"flights": [EXAMPLE_FLIGHT], "explain": True},
    {"flights": [{}]},
    [],
)
BODIES = (*(json.dumps(document).encode() for document in DOCUMENTS), b"{", b"")
METHODS = (
    "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "PROPFIND", "M-SEARCH",
    "PURGE", "LINK", "SEARCH", "NOTIFY", "get", "BREW", "G@T", "",
)  # fmt: skip
VERSIONS = ("HTTP/1.0", "HTTP/1.1", "HTTP/1.2", "HTTP/3.0", "HTTP/1,1", "http/1.1", "HTTP/11", "")
PATHS = (
    "/livez", "/predict_delay", "/nothing", "/livez?a=b", "/livez#c", "/%6civez", "//livez", "*",
    "http://x/livez", "/livez/", "/" + "a" * 2_000, "/l i v e z", "livez", "/\u00e9", "/%zz",
)  # fmt: skip
HEADERS = (
    "accept: */*", "Accept-Encoding:gzip", "x-empty:", "x-tab:\ta\t", "x-long: " + "a" * 3_000,
    "x-request-id: abc", "x-twice: 1\r\nx-twice: 2", "connection: keep-alive", "connection: x-a",
    "expect: 100-continue", "x-request-timeout-ms: 60000", "x-request-timeout-ms: soon",
    "content-encoding: gzip", "content-type: text/plain", "CONTENT-TYPE: Application/JSON",
    "content-type: application/json; charset=utf-8", "te: trailers", "x-high: \u00ff",
    "x-fold: a\r\n b", " x-blank: before", "x-blank : after", "x-none", ": no name", "x-nul: \0",
    "x-cr: a\rb", "x-bare: a\nx-line: b", "x@y: 1", "x-space y: 1", "connection: close",
    "cookie: a=b; c=d", "transfer-encoding:", "keep-alive: timeout=5",
)  # fmt: skip
LENGTHS = ("{}", "0{}", " {} ", "{}\t", "+{}", "-{}", "{}, {}", "0x{}", "{}a", "", "9" * 30, "{}.0")
EXTENSIONS = ("", ";a", ";a=b", ';a="b;c"', ";a=b;c=d", " ", ";" + "a" * 200, "x", "-")
TRAILERS = ("", "x-a: b\r\n", "content-length: 3\r\n", "host: y\r\nx: z\r\n", "x a\r\n")
CUTS = (0, 0, 1, 2, 6)
LAST = b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
"""Last request on a connection that stays open."""


@dataclass(frozen=True, slots=True)
class RawRequest:
    """Raw request.

    Attributes
    ----------
    sent
        Bytes for the service.
    oracle
        Bytes for plain uvicorn: the same, unless the service must ignore a part that plain
        uvicorn does not ignore.
    statuses
        Statuses that the service's rule allows; empty if plain uvicorn is the oracle. Such a
        request ends the connection, unless `stays`.
    length
        Content length that the answer must declare; None for any.
    half_close
        Whether the client closes its sending side.
    """

    sent: bytes
    oracle: bytes
    statuses: tuple[int, ...] = ()
    stays: bool = False
    length: int | None = None
    half_close: bool = False

    @property
    def has_body(self) -> bool:
        """Whether its answer has a body."""
        return not self.sent.startswith(b"HEAD ")


def _rule(sent: str, *statuses: int, length: int | None = None, stays: bool = False) -> RawRequest:
    raw = sent.replace("\n", "\r\n").encode() + b"\r\n\r\n"
    return RawRequest(raw, b"", statuses, stays=stays, length=length)


def _whole(body: bytes) -> bytes:
    """Return a prediction request without unusual headers."""
    head = f"POST /predict_delay HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _offer(sent: str, plain: str) -> RawRequest:
    """Return an offer to upgrade, which is answered like the request without it."""
    return RawRequest(_rule(sent).sent, _rule(plain).sent)


RULES: Sequence[RawRequest] = (
    _rule("GET /livez HTTP/1.1\nhost: x\nx: " + "a" * 40_000, 431),
    _rule("GET /livez HTTP/1.1\nhost: x" + "\na: b" * 300, 431),
    _rule("GET /" + "a" * 40_000 + " HTTP/1.1\nhost: x", 431),
    _rule("CONNECT / HTTP/1.1\nhost: x", 400, 405),
    _rule("CONNECT x:443 HTTP/1.1\nhost: x:443", 400, 405),
    _rule("CONNECT x:443 HTTP/1.0\nhost: x:443", 400, 405),
    _rule("CONNECT / HTTP/1.1\nhost: x\nconnection: upgrade\nupgrade: h2c", 400, 405),
    _rule("GET /livez HTTP/2.0\nhost: x", 400),
    _rule("PRI * HTTP/2.0\n\nSM", 400),
    _rule("GET /livez HTTP/1.1", 400),
    _rule("GET /livez HTTP/1.1\nhost: x\nhost: x", 400),
    _rule("GET /livez HTTP/1.1\nhost: x\nhost: y", 400),
    _rule("GET /livez HTTP/1.1\nhost: a b", 400),
    _rule("GET /livez HTTP/1.1\nhost: a/b", 400),
    _rule("GET /livez HTTP/1.1\nhost: a@b", 400),
    _rule("GET /livez HTTP/1.1\nhost: a:b", 400),
    _rule("POST /predict_delay HTTP/1.1\nhost: x\ntransfer-encoding: gzip, chunked\n\n0", 400, 501),
    _rule("HEAD /livez HTTP/1.1\nhost: x", 200, length=len(b"alive\n"), stays=True),
    _offer(
        "GET /livez HTTP/1.0\nhost: x\nconnection: upgrade\nupgrade: h2c", "GET /livez HTTP/1.0"
    ),
    _offer(
        "GET /livez HTTP/1.1\nhost: x\nconnection: close, upgrade\nupgrade: h2c",
        "GET /livez HTTP/1.1\nhost: x\nconnection: close",
    ),
    RawRequest(LAST, b"", (200,), half_close=True),
    RawRequest(_whole(BODIES[0]), b"", (200,), half_close=True),
    RawRequest(_whole(BODIES[3]), b"", (200,), half_close=True),
)
"""Requests that the service answers differently from plain uvicorn."""


class RawHttpGrammar:
    """Generator of raw requests; the same seed gives the same requests."""

    def __init__(self, seed: str, rules: Sequence[RawRequest] = RULES) -> None:
        self._random = random.Random(seed)  # noqa: S311 - reproducible
        self._rules = rules

    def connection(self) -> list[RawRequest]:
        """Return the requests of one connection."""
        return [self._request() for _ in range(self._random.randint(1, 5))]

    def pieces(self, sent: bytes) -> list[bytes]:
        """Split bytes at up to six random places."""
        cuts = sorted(
            self._random.randrange(len(sent) + 1) for _ in range(self._random.choice(CUTS))
        )
        return [sent[a:b] for a, b in zip([0, *cuts], [*cuts, len(sent)], strict=True)]

    def _request(self) -> RawRequest:
        if self._rules and self._chance(0.04):
            return self._random.choice(self._rules)
        plain = self._predict() if self._chance(0.6) else self._odd()
        # HTTP/1.0, and a second header `connection`, are in RULES
        if b" HTTP/1.1\r\n" in plain and b"connection:" not in plain and self._chance(0.1):
            head, end, rest = plain.partition(b"\r\n")
            offer = self._random.choice(("h2c", "websocket", "TLS/1.0", "h2c, x"))
            lines = f"upgrade: {offer}\r\nconnection: upgrade\r\n".encode()
            return RawRequest(head + end + lines + rest, plain)
        return RawRequest(plain, plain)

    def _odd(self) -> bytes:
        """Return a request without a body, with any method, version, path and end of line."""
        method = self._mostly("GET", METHODS)
        first = f"{method} {self._mostly('/livez', PATHS)} {self._mostly('HTTP/1.1', VERSIONS)}"
        end = self._mostly("\r\n", ("\n", "\r", "\r\r\n"), 0.03)
        # another request may follow, so the empty body is declared
        lines = [first, "host: x", *self._headers(), "content-length: 0"]
        return (end.join(lines) + end + end).encode("latin-1")

    def _predict(self) -> bytes:
        body = self._random.choice(BODIES)
        lines = ["POST /predict_delay HTTP/1.1", "host: x", *self._headers()]
        self._random.shuffle(head := lines[1:])
        if self._chance(0.4):
            head.append("Transfer-Encoding: chunked")
            sent = self._chunked(body)
        else:
            length = self._mostly("{}", LENGTHS, 0.1).replace("{}", str(len(body)))
            head += [f"content-length: {length}"] * (2 if self._chance(0.03) else 1)
            sent = body
        if self._chance(0.03):
            head.append(self._random.choice(("content-length: 5", "transfer-encoding: chunked")))
        return "\r\n".join([lines[0], *head, "", ""]).encode("latin-1") + sent

    def _chunked(self, body: bytes) -> bytes:
        sent, place = b"", 0
        while place < len(body):
            size = min(self._random.choice((1, 7, 64, 4_096)), len(body) - place)
            number = self._random.choice(("{:x}", "{:X}", "{:04x}")).format(size)
            extension = self._mostly("", EXTENSIONS, 0.05)
            end = self._mostly("\r\n", ("\n", "", "\r"), 0.004)
            sent += f"{number}{extension}\r\n".encode() + body[place : place + size] + end.encode()
            place += size
        return sent + f"0\r\n{self._mostly('', TRAILERS, 0.2)}\r\n".encode()

    def _headers(self) -> list[str]:
        few = self._random.choice((0, 0, 0, 1, 1, 2, 4))
        return [self._random.choice(HEADERS) for _ in range(few)]

    def _mostly(self, usual: str, others: Sequence[str], share: float = 0.25) -> str:
        return self._random.choice(others) if self._chance(share) else usual

    def _chance(self, share: float) -> bool:
        return self._random.random() < share
