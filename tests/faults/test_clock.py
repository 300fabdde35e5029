"""Wall clock that steps by hours: deadlines, rates, timeouts and responses do not depend on it."""

from __future__ import annotations

import asyncio
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import pytest

from serving.api.auth import digest
from tests.faults.conftest import (
    Figure,
    Truth,
    port_of,
    wait_for,
    worker_of,
)
from tests.faults.test_processes import Callers
from tests.support.http_client import HANGS, read_response, request
from tests.support.server import PROJECT, Server, running_server

pytestmark = pytest.mark.server

HOUR = 3600
REFILL_SECONDS = 10
"""Time until the slow key is accepted again: two requests take less on a busy machine."""
KEY, SLOW = "key of the callers", "key of the slow one"
READ_SECONDS = 4.0


@dataclass(frozen=True)
class ServiceWithClock:
    """Service whose wall clock the test sets."""

    server: Server
    offset: Path

    def set(self, seconds: int) -> None:
        """Set the error of the clock."""
        with self.offset.open("r+b") as file:
            file.write(struct.pack("=q", seconds))

    def error(self) -> float:
        """Return the error of the clock by the `Date` of a response, in seconds."""
        date = httpx.get(f"{self.server.url}/livez").headers["date"]
        return parsedate_to_datetime(date).timestamp() - time.time()

    def ask(self) -> httpx.Response:
        """Send a request with the slow key."""
        body = (PROJECT / "tests" / "request.json").read_bytes()
        return httpx.post(
            f"{self.server.url}/predict_delay", content=body, headers={"x-api-key": SLOW}
        )


@pytest.fixture
def moved(registered: str, tmp_path: Path) -> Iterator[ServiceWithClock]:
    """Serve with keys, and with a clock that can be set."""
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("needs Linux and a C compiler, to move the clock of one process tree")
    shim, keys, offset = tmp_path / "clock.so", tmp_path / "keys", tmp_path / "offset"
    source = Path(__file__).parent / "wall_clock.c"
    command = [compiler, "-O2", "-Wall", "-Werror", "-shared", "-fPIC"]
    subprocess.run([*command, "-o", str(shim), str(source), "-ldl"], check=True)
    offset.write_bytes(struct.pack("=q", 0))
    keys.write_text(f"callers {digest(KEY)}\nslow {digest(SLOW)} {1 / REFILL_SECONDS}\n")
    with running_server(
        tmp_path / "log",
        LD_PRELOAD=str(shim),
        WALL_CLOCK_OFFSET=str(offset),
        FLIGHT_DELAY_API_KEYS_FILE=str(keys),
        FLIGHT_DELAY_READ_SECONDS=str(READ_SECONDS),
    ) as server:
        yield ServiceWithClock(server, offset)
        assert "Traceback" not in server.log.read_text()


async def _half_a_request(server: Server) -> tuple[int, float]:
    """Send an incomplete request; return the status of the response and the seconds until then."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
    started = time.monotonic()
    writer.write(request(b"{}")[:-1])
    status = (await read_response(reader)).status
    writer.close()
    return status, time.monotonic() - started


async def _while_the_clock_jumps(moved: ServiceWithClock) -> tuple[int, float]:
    waiting = asyncio.create_task(_half_a_request(moved.server))
    for hours in (6, -6, 0):
        await asyncio.sleep(READ_SECONDS / 5)
        moved.set(hours * HOUR)
    return await waiting


def test_the_wall_clock_jumps(moved: ServiceWithClock, truth: Truth, figure: Figure) -> None:
    """Wall clock stepped six hours forward and twelve back, under load."""
    workers = worker_of(moved.server)
    deadline = "x-request-timeout-ms: 120000\r\n"
    with Callers(moved.server, truth, f"x-api-key: {KEY}\r\n{deadline}") as callers:
        assert abs(moved.error()) < 60
        status, seconds = asyncio.run(_while_the_clock_jumps(moved))
        assert status == 408
        assert READ_SECONDS - 1 < seconds < READ_SECONDS + HANGS  # and no hours
        for hours in (6, -6):
            wait_for(lambda: moved.ask().status_code == 200)
            moved.set(hours * HOUR)
            refused = moved.ask()  # the token bucket is filled by monotonic time
            assert refused.status_code == 429
            assert 1 <= int(refused.headers["retry-after"]) <= REFILL_SECONDS
            wait_for(lambda: abs(moved.error() - hours * HOUR) < HANGS)  # noqa: B023 - called at once
            wait_for(lambda: moved.ask().status_code == 200)
    assert worker_of(moved.server) == workers
    assert callers.counts["answered"] > 100
    assert set(callers.counts) == {"answered"}
    figure(
        answered=callers.counts["answered"], wrong_or_lost=0, cut_after_seconds=round(seconds, 1)
    )
