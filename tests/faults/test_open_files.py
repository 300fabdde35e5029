"""Service with few file descriptors: it raises its limit, and logs where it cannot."""

from __future__ import annotations

import asyncio
import resource
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from serving.http.timeouts import GRACE_SECONDS
from tests.faults.conftest import (
    Figure,
    open_files,
    port_of,
    wait_for,
    worker_of,
    works,
)
from tests.support.http_client import GET_LIVEZ, ask, request
from tests.support.server import Server, running_server

pytestmark = pytest.mark.server

FILES = 256
CLIENTS, AT_ONCE = 400, 50
SWEEP_SECONDS = 8.0
"""Time in which connections beyond the limit with an incomplete head are closed."""
PARTIAL = b"POST /predict_delay HTTP/1.1\r\nhost: x\r\n"


class with_files(running_server):  # noqa: N801 - as its parent
    """Start a service with a soft and a hard limit of open files."""

    def __init__(self, log: Path, soft: int, hard: int) -> None:
        super().__init__(log)
        self._files = soft, hard

    def limit(self, process: subprocess.Popen[bytes]) -> None:
        """Limit the number of open files."""
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, self._files)


@pytest.fixture(scope="module")
def poor(registered: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run the service with 256 file descriptors, and no way to more."""
    log = tmp_path_factory.mktemp("poor") / "log"
    with with_files(log, FILES, FILES) as running:
        yield running
        assert "Traceback" not in log.read_text()


def closed(server: Server, reason: str) -> float:
    """Return how many connections the service has closed for this reason, by its metrics."""
    name = f'flight_delay_connections_closed_total{{reason="{reason}"}} '
    lines = httpx.get(f"{server.url}/metrics").text.splitlines()
    return sum(float(line.removeprefix(name)) for line in lines if line.startswith(name))


def cpu_seconds(server: Server) -> float:
    """Return the CPU time of the worker, in seconds."""
    [worker] = worker_of(server)
    fields = Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_more_idle_connections_than_files_lock_out_no_client(poor: Server, figure: Figure) -> None:
    """Each new client is answered while more connections are idle than files may be open."""
    port = port_of(poor)

    async def run() -> int:
        held = []
        for _ in range(CLIENTS // AT_ONCE):
            for _ in range(AT_ONCE):
                held.append(await asyncio.open_connection("127.0.0.1", port))  # noqa: PERF401 - an await
            await asyncio.sleep(2 * GRACE_SECONDS)
            assert await asyncio.to_thread(works, poor)
        kept = open_files(poor)
        for _, writer in held:
            writer.close()
        return kept

    kept = asyncio.run(run())
    figure(clients=CLIENTS, files=FILES, open_files=kept)
    assert closed(poor, "idle") > 0
    assert "idle ones are closed for new ones" in poor.log.read_text()


def test_more_active_connections_than_files_are_refused(poor: Server, figure: Figure) -> None:
    """More active requests than files cause a 503, a log line, a metric, and no busy loop."""
    port = port_of(poor)

    async def partial() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(PARTIAL)
        return reader, writer

    async def run() -> tuple[list[int], float]:
        held = [await partial() for _ in range(FILES)]
        await asyncio.sleep(SWEEP_SECONDS)  # those beyond the limit are closed, the others stay
        asked = [ask(port, request(b"{}")) for _ in range(16)]
        found = [response.status for [response] in await asyncio.gather(*asked)]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET_LIVEZ)
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        held.append((reader, writer))
        before = await asyncio.to_thread(cpu_seconds, poor)
        with suppress(ConnectionError):
            held += await asyncio.gather(*[partial() for _ in range(CLIENTS)])
        await asyncio.sleep(SWEEP_SECONDS)
        spent = await asyncio.to_thread(cpu_seconds, poor) - before
        for _, writer in held:
            writer.close()
        return found, spent

    found, spent = asyncio.run(run())
    wait_for(lambda: works(poor))
    figure(clients=CLIENTS, files=FILES, refused=len(found), cpu_seconds=round(spent, 1))
    assert found == [503] * 16
    assert spent < SWEEP_SECONDS / 2
    assert closed(poor, "limit") > 16
    assert "new ones are refused" in poor.log.read_text()


def test_the_soft_limit_is_raised(registered: str, tmp_path: Path) -> None:
    """A worker raises its soft limit of open files to the hard limit."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with with_files(tmp_path / "log", FILES, hard) as server:
        [worker] = worker_of(server)
        assert resource.prlimit(worker, resource.RLIMIT_NOFILE) == (hard, hard)
