"""Send open-loop load: requests are sent when they are due, whatever happens to earlier ones.

The latency of a request is counted from the time it was due, so it includes the wait for a free
connection. The client is one asyncio process with requests built in advance. It needs 50 to 100
microseconds of a core per request, so near 10,000 requests per second it measures itself. Every
result contains its delay (`lag_ms`) and its processor time (`client_cpu`): where the lag is near
the latency, discard both.
"""

from __future__ import annotations

import asyncio
import gc
import select
import selectors
import socket
import ssl
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from load.tools.server_process import HOST
from load.tools.stats import FloatArray, by_second, percentiles
from load.tools.wrk import PREDICT_PATH

CONNECTIONS = 256
DRAIN_SECONDS = 10.0
HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length:"
OK, BUSY = 200, 503


@dataclass(frozen=True)
class OpenRun:
    """Result of one open-loop run.

    Attributes
    ----------
    arrivals
        Number of requests that were due.
    latency_ms
        Percentiles of the time from due to answered.
    lag_ms
        Percentiles of the time from due to sent.
    seconds
        Latency over time: count and percentiles of each second, by the time due.
    failed
        Requests without an answer or with another status than 200.
    refused
        Failed requests with status 503.
    refused_ms
        Percentiles of the time from sent to refused.
    client_cpu
        Processor seconds of this client.
    """

    rate: float
    arrivals: int
    latency_ms: dict[str, float]
    lag_ms: dict[str, float]
    seconds: list[dict[str, float]]
    failed: int
    refused: int
    refused_ms: dict[str, float]
    client_cpu: float

    def to_json(self) -> dict[str, Any]:
        """Return all fields."""
        return asdict(self)


def poisson(rate: float, seconds: float, seed: int = 0) -> FloatArray:
    """Return arrival times in seconds with exponential gaps of mean ``1 / rate``."""
    generator = np.random.default_rng(seed)
    expected = int(rate * seconds)
    gaps = generator.exponential(1 / rate, size=expected + 10 * int(expected**0.5) + 10)
    times = np.cumsum(gaps)
    return times[times < seconds]


def constant(rate: float, seconds: float) -> FloatArray:
    """Return arrival times in seconds with equal gaps."""
    return np.arange(round(rate * seconds)) / rate


def http_requests(
    payloads: Sequence[bytes],
    port: int,
    path: str = PREDICT_PATH,
    *,
    host: str = HOST,
    headers: Mapping[str, str] | None = None,
) -> list[bytes]:
    """Return HTTP/1.1 requests with the payloads, and further headers if given."""
    more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\n{more}"
        "Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
    return [head.replace("{length}", str(len(each))).encode() + each for each in payloads]


def run(
    port: int,
    requests: Sequence[bytes],
    due: FloatArray,
    connections: int = CONNECTIONS,
    *,
    host: str = HOST,
    tls: bool = False,
) -> OpenRun:
    """Send requests when they are due, cycling through them, and wait for their answers.

    Parameters
    ----------
    due
        Seconds from the start, ascending, shape ``(n,)``.
    connections
        Most requests in flight; others wait for a free connection, and their wait counts.
    host, tls
        Address of the server, and whether to use TLS.
    """
    with asyncio.Runner(
        loop_factory=lambda: asyncio.SelectorEventLoop(_PreciseSelector())
    ) as runner:
        gc.collect()
        gc.disable()
        try:
            place = _Place(host, port, ssl.create_default_context() if tls else None)
            caller = runner.run(_call(place, requests, due, connections))
        finally:
            gc.enable()
        return _result(caller, due)


def sequential(
    port: int, requests: Sequence[bytes], count: int, seconds: float = 30.0
) -> FloatArray:
    """Return latencies in milliseconds of sequential requests on one connection.

    It ends after `count` answers, or after `seconds` with fewer.
    """
    latencies = []
    deadline = time.perf_counter() + seconds
    with socket.create_connection((HOST, port), timeout=30) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number in range(count):
            started = time.perf_counter()
            connection.sendall(requests[number % len(requests)])
            answer = b""
            while (length := answer_length(answer)) is None or len(answer) < length:
                part = connection.recv(65536)
                if not part:
                    message = "the server closed the connection"
                    raise ConnectionError(message)
                answer += part
            now = time.perf_counter()
            latencies.append((now - started) * 1000)
            if now > deadline:
                break
    return np.array(latencies)


def answer_length(received: bytes | bytearray) -> int | None:
    """Return the length of the first answer, or None while its head is incomplete."""
    end = received.find(HEAD_END)
    if end < 0:
        return None
    head = bytes(received[:end]).lower()
    start = head.find(LENGTH)
    if start < 0:
        message = "the answer has no content-length"
        raise ValueError(message)
    line = head[start + len(LENGTH) :].split(b"\r\n", 1)[0]
    return end + len(HEAD_END) + int(line)


@dataclass(frozen=True)
class _Place:
    """Address of the server."""

    host: str
    port: int
    tls: ssl.SSLContext | None


class _PreciseSelector(selectors.EpollSelector):
    """Selector with microsecond timeouts: those of epoll are whole milliseconds."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout > 0:
            select.select([self.fileno()], [], [], timeout)
            timeout = 0
        return super().select(timeout)


class _Connection(asyncio.Protocol):
    """Connection that carries one request at a time."""

    def __init__(self, caller: _Caller) -> None:
        self._caller = caller
        self._buffer = bytearray()
        self._length: int | None = None
        self._number = -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - TCP and TLS transports
        self._transport = transport

    def send(self, number: int, request: bytes) -> None:
        self._number = number
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._length is None:
            self._length = answer_length(self._buffer)
        if self._length is not None and len(self._buffer) >= self._length:
            status = int(self._buffer[9:12])
            self._buffer.clear()
            self._length = None
            number, self._number = self._number, -1
            self._caller.answered(self, number, status)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._number >= 0:
            self._caller.lost(self._number)

    def close(self) -> None:
        self._transport.abort()


class _Caller:
    """Client that sends due requests on free connections."""

    def __init__(self, requests: Sequence[bytes], due: FloatArray) -> None:
        self.sent = np.full(len(due), np.nan)
        self.done = np.full(len(due), np.nan)
        self.status = np.zeros(len(due), dtype=np.int64)
        self.finished = asyncio.Event()
        self._requests = requests
        self._due = due.tolist()
        self._left = len(due)
        self._next = 0
        self._waiting: deque[int] = deque()
        self._free: deque[_Connection] = deque()
        self._loop = asyncio.get_running_loop()
        self._zero = 0.0
        self.cpu = 0.0

    async def open(self, place: _Place, connections: int) -> None:
        for _ in range(connections):
            _, connection = await self._loop.create_connection(
                lambda: _Connection(self), place.host, place.port, ssl=place.tls
            )
            self._free.append(connection)
        self._open = list(self._free)

    def start(self) -> None:
        self._zero = self._loop.time()
        self._send_due()

    def close(self) -> None:
        for connection in self._open:
            connection.close()

    def answered(self, connection: _Connection, number: int, status: int) -> None:
        self.done[number] = self._loop.time() - self._zero
        self.status[number] = status
        if self._waiting:
            self._send(connection, self._waiting.popleft())
        else:
            self._free.append(connection)
        self._count_down()

    def lost(self, number: int) -> None:
        self.done[number] = np.nan
        self._count_down()

    def _send_due(self) -> None:
        now = self._loop.time() - self._zero
        while self._next < len(self._due) and self._due[self._next] <= now:
            if self._free:
                self._send(self._free.popleft(), self._next)
            else:
                self._waiting.append(self._next)
            self._next += 1
        if self._next < len(self._due):
            self._loop.call_at(self._zero + self._due[self._next], self._send_due)

    def _send(self, connection: _Connection, number: int) -> None:
        self.sent[number] = self._loop.time() - self._zero
        connection.send(number, self._requests[number % len(self._requests)])

    def _count_down(self) -> None:
        self._left -= 1
        if not self._left:
            self.finished.set()


async def _call(
    place: _Place, requests: Sequence[bytes], due: FloatArray, connections: int
) -> _Caller:
    caller = _Caller(requests, due)
    await caller.open(place, connections)
    cpu = time.process_time()
    caller.start()
    try:
        async with asyncio.timeout(float(due[-1]) + DRAIN_SECONDS):
            await caller.finished.wait()
    except TimeoutError:
        pass  # requests without an answer are counted as failed
    caller.cpu = time.process_time() - cpu
    caller.close()
    return caller


def _result(caller: _Caller, due: FloatArray) -> OpenRun:
    latency = (caller.done - due) * 1000
    good = (caller.status == OK) & np.isfinite(latency)
    refused = caller.status == BUSY
    lag = (caller.sent - due) * 1000
    return OpenRun(
        rate=len(due) / float(due[-1]),
        arrivals=len(due),
        latency_ms=percentiles(latency[good]),
        lag_ms=percentiles(lag[np.isfinite(lag)]),
        seconds=by_second(due[good], latency[good]),
        failed=int((~good).sum()),
        refused=int(refused.sum()),
        refused_ms=percentiles((caller.done - caller.sent)[refused] * 1000),
        client_cpu=caller.cpu,
    )
