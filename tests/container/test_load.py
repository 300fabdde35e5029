"""Tests of the container under load: memory, shutdown and restart."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable

import pytest

from load.tools import container_engine as engine
from load.tools.container import PORT, Container
from tests.container.conftest import READY
from tests.support.http_client import AnswerCounts, Callers

pytestmark = pytest.mark.container

STOP_SECONDS = 9
"""Cloud Run kills 10 s after SIGTERM."""

KILL_A_WORKER = """
import os, pathlib, signal
def line(pid): return pathlib.Path(f"/proc/{{pid}}/cmdline").read_bytes()
pids = [int(e) for e in os.listdir("/proc") if e.isdigit() and int(e) != os.getpid()]
workers = sorted(pid for pid in pids if b"_bentoml_impl.worker.service" in line(pid))
print(len(workers))
if {kill}: os.kill(workers[0], signal.SIGKILL)
"""


def call_while(
    running: Container, bodies: list[bytes], work: Callable[[], None], seconds: float = 1.5
) -> AnswerCounts:
    """Send requests on one connection per body while `work` runs; return the counts."""

    async def run() -> AnswerCounts:
        callers = Callers(running.host, PORT, bodies)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(work)
        await callers.stop()
        return callers.counts

    return asyncio.run(run())


def test_512_mib_are_enough_under_load(image: str, requests: dict[int, list[bytes]]) -> None:
    """Many small and several large concurrent requests are answered, and no process is killed.

    ``pytest -rP`` shows the peak.
    """
    with Container(image) as running:
        running.wait(READY)
        bodies = requests[1][:56] + requests[1000][:8]
        counts = call_while(running, bodies, lambda: time.sleep(6))
        peak = running.peak_mb()
        assert not running.state["State"]["OOMKilled"]
    sys.stdout.write(f"memory at its peak: {peak:.0f} MiB; {counts}\n")
    assert set(counts.answers) == {200}
    assert (counts.refused, counts.reset, counts.lost, counts.cut) == (0, 0, 0, 0)
    assert peak < 400


def test_sigterm_under_load_loses_no_request(image: str, requests: dict[int, list[bytes]]) -> None:
    """Accepted requests are answered, new ones refused, and the exit is clean and in time."""
    with Container(image) as running:
        running.wait(READY)
        bodies = requests[1][:40] + requests[100][:8] + requests[1000][:4]
        took = []

        def stop() -> None:
            started = time.monotonic()
            engine.docker("stop", "--time", "30", running.id)
            took.append(time.monotonic() - started)

        counts = call_while(running, bodies, stop)
        state = running.state["State"]
    assert state["ExitCode"] == 0
    assert took[0] < STOP_SECONDS
    assert set(counts.answers) == {200}
    assert sum(counts.answers.values()) > len(bodies)
    assert (counts.lost, counts.cut) == (0, 0), counts
    assert counts.refused >= 1, counts
    # Every open connection got `connection: close`. Connections in the accept queue when the
    # socket was closed never reached the service.
    assert counts.last >= len(bodies) - counts.reset, counts
    assert counts.reset <= 3, counts


def test_a_killed_worker_is_replaced(image: str, requests: dict[int, list[bytes]]) -> None:
    """The other worker continues; each caller loses at most its request in flight."""
    with Container(image, environment={"FLIGHT_DELAY_WORKERS": "2"}) as running:
        running.wait(READY)
        _wait_until(lambda: _workers(running, kill=False) == 2)

        def kill() -> None:
            assert _workers(running, kill=True) == 2
            time.sleep(1)
            _wait_until(lambda: _workers(running, kill=False) == 2)

        bodies = requests[1][:16]
        counts = call_while(running, bodies, kill)
    assert set(counts.answers) == {200}
    assert counts.lost + counts.cut + counts.reset <= len(bodies), counts
    assert counts.refused == 0, counts


def test_a_killed_process_is_restarted_by_the_platform(
    image: str, requests: dict[int, list[bytes]]
) -> None:
    """A container with one worker exits, and the platform starts a new one, as on Cloud Run."""
    with Container(image, "--restart", "always") as running:
        running.wait(READY)

        def kill() -> None:
            try:
                os.kill(running.state["State"]["Pid"], signal.SIGKILL)
            except PermissionError:
                pytest.skip("ending a container's first process from outside needs root")
            _wait_until(lambda: running.state["RestartCount"] == 1)
            running.wait(READY)

        bodies = requests[1][:16]
        counts = call_while(running, bodies, kill)
        assert not running.state["State"]["OOMKilled"]
    assert set(counts.answers) == {200}
    assert counts.lost + counts.cut <= len(bodies), counts


def _workers(running: Container, *, kill: bool) -> int:
    """Return the number of workers in a container; `kill` kills one of them."""
    return int(running.execute("python", "-c", KILL_A_WORKER.format(kill=kill)))


def _wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.2)
