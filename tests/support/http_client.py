"""A client that counts every answer: nothing is retried, nothing is forgotten."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

CONNECT_SECONDS = 1.0
PAUSE_SECONDS = 0.01


@dataclass
class AnswerCounts:
    """What became of every request.

    Attributes
    ----------
    answers
        Whole answers, by HTTP status.
    last
        Those of them that said ``connection: close``.
    refused
        Attempts to connect that were turned away: no request was sent.
    reset
        Connections that ended before their first request had a byte of an answer: the service may
        never have seen them.
    lost
        Requests without an answer on a connection that had been answered before.
    cut
        Answers that began and did not end.
    """

    answers: Counter[int] = field(default_factory=Counter)
    last: int = 0
    refused: int = 0
    reset: int = 0
    lost: int = 0
    cut: int = 0


class Callers:
    """Callers that ask one request after the other until they are stopped.

    Each keeps its connection alive, or connects anew for every request.
    """

    def __init__(
        self, host: str, port: int, bodies: Sequence[bytes], *, anew: bool = False
    ) -> None:
        self.tally = AnswerCounts()
        self._anew = anew
        self._address = (host, port)
        self._stopped = asyncio.Event()
        self._tasks = [asyncio.create_task(self._call(_request(body))) for body in bodies]

    async def stop(self) -> None:
        """Let every caller have the answer it waits for, and end."""
        self._stopped.set()
        await asyncio.gather(*self._tasks)

    async def _call(self, request: bytes) -> None:
        while not self._stopped.is_set():
            try:
                connecting = asyncio.open_connection(*self._address)
                reader, writer = await asyncio.wait_for(connecting, CONNECT_SECONDS)
            except (OSError, TimeoutError):
                self.tally.refused += 1
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            try:
                await self._ask_until_closed(request, reader, writer)
            finally:
                writer.close()

    async def _ask_until_closed(
        self, request: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        answered = 0
        while not self._stopped.is_set():
            writer.write(request)
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                await reader.readexactly(_length(head))
            except (asyncio.IncompleteReadError, OSError) as error:
                self._count_failure(answered, partial=bool(getattr(error, "partial", b"")))
                return
            answered += 1
            self.tally.answers[int(head.split(b" ", 2)[1])] += 1
            if b"\r\nconnection: close\r\n" in head:
                self.tally.last += 1
                return
            if self._anew:
                return

    def _count_failure(self, answered: int, *, partial: bool) -> None:
        if partial:
            self.tally.cut += 1
        elif answered:
            self.tally.lost += 1
        else:
            self.tally.reset += 1


def _request(body: bytes) -> bytes:
    head = (
        "POST /predict_delay HTTP/1.1\r\nhost: service\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _length(head: bytes) -> int:
    _, _, rest = head.partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0])
