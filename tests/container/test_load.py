"""Under load: it stays within its memory, stops without losing a request, and comes back."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable

import pytest

from deploy.image import engine
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
    """Call from one connection per body, do some work meanwhile, and call on for a moment."""

    async def run() -> AnswerCounts:
        callers = Callers(running.host, PORT, bodies)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(work)
        await callers.stop()
        return callers.counts

    return asyncio.run(run())


def test_512_mib_are_enough_under_load(image: str, requests: dict[int, list[bytes]]) -> None:
    """Many small and several large requests at once: all answered, nobody killed.

    ``pytest -rP`` shows the peak.
    """
    with Container(image) as running:
        running.wait(READY)
        bodies = requests[1][:56] + requests[1000][:8]
        tally = call_while(running, bodies, lambda: time.sleep(6))
        peak = running.peak_mb()
        assert not running.state["State"]["OOMKilled"]
    sys.stdout.write(f"memory at its peak: {peak:.0f} MiB; {tally}\n")
    assert set(tally.answers) == {200}
    assert (tally.refused, tally.reset, tally.lost, tally.cut) == (0, 0, 0, 0)
    assert peak < 400


def test_sigterm_under_load_loses_no_request(image: str, requests: dict[int, list[bytes]]) -> None:
    """What was accepted is answered, what is new is refused, and the exit is clean and in time."""
    with Container(image) as running:
        running.wait(READY)
        bodies = requests[1][:40] + requests[100][:8] + requests[1000][:4]
        took = []

        def stop() -> None:
            started = time.monotonic()
            engine.docker("stop", "--time", "30", running.id)
            took.append(time.monotonic() - started)

        tally = call_while(running, bodies, stop)
        state = running.state["State"]
    assert state["ExitCode"] == 0
    assert took[0] < STOP_SECONDS
    assert set(tally.answers) == {200}
    assert sum(tally.answers.values()) > len(bodies)
    assert (tally.lost, tally.cut) == (0, 0), tally
    assert tally.refused >= 1, tally
    # whoever was connected was told that the connection ends; what waited to be accepted when the
    # door closed never reached the service
    assert tally.last >= len(bodies) - tally.reset, tally
    assert tally.reset <= 3, tally


def test_a_killed_worker_is_replaced(image: str, requests: dict[int, list[bytes]]) -> None:
    """With two workers, the other one goes on; each caller loses at most what it had in flight."""
    with Container(image, environment={"FLIGHT_DELAY_WORKERS": "2"}) as running:
        running.wait(READY)
        _wait_until(lambda: _workers(running, kill=False) == 2)

        def kill() -> None:
            assert _workers(running, kill=True) == 2
            time.sleep(1)
            _wait_until(lambda: _workers(running, kill=False) == 2)

        bodies = requests[1][:16]
        tally = call_while(running, bodies, kill)
    assert set(tally.answers) == {200}
    assert tally.lost + tally.cut + tally.reset <= len(bodies), tally
    assert tally.refused == 0, tally


def test_a_killed_process_is_started_again_by_the_platform(
    image: str, requests: dict[int, list[bytes]]
) -> None:
    """With one worker the container ends with it; as on Cloud Run, a new one takes its place."""
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
        tally = call_while(running, bodies, kill)
        assert not running.state["State"]["OOMKilled"]
    assert set(tally.answers) == {200}
    assert tally.lost + tally.cut <= len(bodies), tally


def _workers(running: Container, *, kill: bool) -> int:
    """Count the workers in a container, and perhaps kill one of them."""
    return int(running.execute("python", "-c", KILL_A_WORKER.format(kill=kill)))


def _wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.2)
