"""Raw HTTP/1.1 client for tests that decide about each byte, and callers that count responses."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from serving.contract.schema import EXAMPLE_FLIGHT

BODY = json.dumps({"flights": [EXAMPLE_FLIGHT]}).encode()
JSON = "content-type: application/json\r\n"
GET_LIVEZ = b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n"
HANGS = 120.0
"""Seconds after which a server hangs: far beyond what a busy machine takes."""
CONNECT_SECONDS = 1.0
PAUSE_SECONDS = 0.01


class Response(NamedTuple):
    """Response with its headers in lower case; its body is decoded where it is JSON."""

    status: int
    headers: dict[str, str]
    body: Any


def request(body: bytes = BODY, headers: str = JSON, path: str = "/predict_delay") -> bytes:
    """Return the bytes of a POST request; each line of `headers` ends with CRLF."""
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\n{headers}content-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def chunked(body: bytes, trailers: bytes = b"") -> bytes:
    """Return a body as one chunk with the trailers after it."""
    return b"%x\r\n%b\r\n0\r\n%b\r\n" % (len(body), body, trailers)


async def read_response(reader: asyncio.StreamReader) -> Response:
    """Return the next response on a connection.

    Raises
    ------
    asyncio.IncompleteReadError
        If the connection is closed before its end; `partial` is empty between two responses.
    """
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
    headers = dict(line.split(": ", 1) for line in head[1:-2])
    body: Any = await reader.readexactly(int(headers["content-length"]))
    if headers.get("content-type", "").endswith("json"):
        body = json.loads(body)
    return Response(int(head[0].split()[1]), headers, body)


async def ask(port: int, *requests: bytes, within: float = HANGS) -> list[Response]:
    """Send requests at once over a new connection, and read as many responses."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(within):
            writer.write(b"".join(requests))
            return [await read_response(reader) for _ in requests]
    finally:
        writer.close()


async def exchange(
    port: int, sent: bytes, more: bytes = b"", *, half_close: bool = False
) -> list[Response]:
    """Send bytes, and more a moment later; read all responses until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    responses = []
    try:
        async with asyncio.timeout(HANGS):
            writer.write(sent)
            if more:
                await writer.drain()
                await asyncio.sleep(0.05)
                writer.write(more)
            if half_close:
                writer.write_eof()
            while True:
                responses.append(await read_response(reader))
    except asyncio.IncompleteReadError as end:
        if end.partial:
            raise
        return responses
    finally:
        writer.close()


async def statuses(port: int, sent: bytes, more: bytes = b"", **how: bool) -> list[int]:
    """Return the status of each response of an `exchange`."""
    return [each.status for each in await exchange(port, sent, more, **how)]


def reset(writer: asyncio.StreamWriter) -> None:
    """Reset the connection: a client that only closes it may have half-closed it."""
    writer.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
    )
    writer.transport.abort()


@dataclass
class AnswerCounts:
    """Outcomes of all requests of some callers.

    Attributes
    ----------
    answers
        Complete responses, by HTTP status.
    last
        Those of them that said ``connection: close``.
    refused
        Attempts to connect that were refused: no request was sent.
    reset
        Connections that ended before their first request had a byte of a response: the service may
        never have seen them.
    lost
        Requests without a response on a connection that had been answered before.
    cut
        Responses that began and did not end.
    """

    answers: Counter[int] = field(default_factory=Counter)
    last: int = 0
    refused: int = 0
    reset: int = 0
    lost: int = 0
    cut: int = 0


class Callers:
    """Callers that send one request after the other until they are stopped; none is retried.

    Each keeps its connection alive, or connects anew for every request.
    """

    def __init__(
        self, host: str, port: int, bodies: Sequence[bytes], *, anew: bool = False
    ) -> None:
        self.counts = AnswerCounts()
        self._anew = anew
        self._address = (host, port)
        self._stopped = asyncio.Event()
        self._tasks = [asyncio.create_task(self._call(request(body))) for body in bodies]

    async def stop(self) -> None:
        """Stop each caller after the response that it waits for."""
        self._stopped.set()
        await asyncio.gather(*self._tasks)

    async def _call(self, sent: bytes) -> None:
        while not self._stopped.is_set():
            try:
                connecting = asyncio.open_connection(*self._address)
                reader, writer = await asyncio.wait_for(connecting, CONNECT_SECONDS)
            except (OSError, TimeoutError):
                self.counts.refused += 1
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            try:
                await self._ask_until_closed(sent, reader, writer)
            finally:
                writer.close()

    async def _ask_until_closed(
        self, sent: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        answered = 0
        while not self._stopped.is_set():
            writer.write(sent)
            try:
                response = await read_response(reader)
            except (asyncio.IncompleteReadError, OSError) as error:
                self._count_failure(answered, partial=bool(getattr(error, "partial", b"")))
                return
            answered += 1
            self.counts.answers[response.status] += 1
            if response.headers.get("connection") == "close":
                self.counts.last += 1
                return
            if self._anew:
                return

    def _count_failure(self, answered: int, *, partial: bool) -> None:
        if partial:
            self.counts.cut += 1
        elif answered:
            self.counts.lost += 1
        else:
            self.counts.reset += 1
