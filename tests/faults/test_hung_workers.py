"""Hung workers: they are ended, and delay neither the others nor the stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.conftest import Figure, wait_for, worker_of, works
from tests.faults.test_processes import running, wait_for_serving
from tests.support.server import PROJECT, Server, free_port, running_server, wait_until_ready

pytestmark = pytest.mark.server

LOOP_SECONDS = 2
STOP_SECONDS = 60
HANG = """
import signal

def hang(*_):
    while True:
        pass

signal.signal(signal.SIGUSR2, hang)
"""
"""Imported by every Python process: the signal's handler runs in the event loop's thread."""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return the environment of two workers that hang on SIGUSR2."""
    (tmp_path / "sitecustomize.py").write_text(HANG)
    return {
        "PYTHONPATH": str(tmp_path),
        "FLIGHT_DELAY_WORKERS": "2",
        "FLIGHT_DELAY_LOOP_SECONDS": str(LOOP_SECONDS),
    }


def hang(pid: int) -> None:
    """Make the event loop of a worker spin for ever."""
    os.kill(pid, signal.SIGUSR2)


def suspend(pid: int) -> None:
    """Suspend a worker, so that it does not handle signals."""
    os.kill(pid, signal.SIGSTOP)


def test_a_worker_whose_event_loop_hangs_is_replaced(
    registered: str, environment: dict[str, str], figure: Figure, tmp_path: Path
) -> None:
    """A worker whose event loop hangs is ended, with one log line, and replaced."""
    log = tmp_path / "log"
    with running_server(log, PROJECT, ".", **environment) as server:
        [pid, _] = wait_for_serving(server, 2)
        hang(pid)
        seconds = wait_for(lambda: not running(pid), 60)
        wait_for_serving(server, 3)
        assert len(worker_of(server)) == 2
        assert works(server)
    figure(limit_seconds=LOOP_SECONDS, ended_after_seconds=round(seconds, 1))
    lines = [line for line in log.read_text().splitlines() if "has not turned" in line]
    assert len(lines) == 1
    assert "sitecustomize.py" in lines[0], "the line names the place where the loop hangs"


@pytest.mark.parametrize("harm", [hang, suspend])
def test_a_hung_worker_does_not_delay_the_stop(
    registered: str,
    environment: dict[str, str],
    figure: Figure,
    tmp_path: Path,
    harm: Callable[[int], None],
) -> None:
    """SIGTERM ends the service within its limit, whatever a worker does."""
    server = start(tmp_path / "log", environment)
    workers: list[int] = []
    try:
        workers = wait_for_serving(server, 2)
        harm(workers[0])
        server.process.terminate()
        code = server.process.wait(STOP_SECONDS)
        figure(harm=harm.__name__, exit_code=code)
        assert not any(running(pid) for pid in workers)
    finally:
        for pid in (*workers, server.process.pid):
            if running(pid):
                os.kill(pid, signal.SIGKILL)
        server.process.wait(10)


def start(log: Path, environment: dict[str, str]) -> Server:
    """Start the service, with a second for requests in flight at its stop."""
    port = free_port()
    command = [sys.executable, "-m", "bentoml", "serve", "--port", str(port)]
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*command, "--timeout-graceful-shutdown", "1"],
            cwd=PROJECT,
            env={**os.environ, **environment},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    server = Server(f"http://127.0.0.1:{port}", process, log)
    try:
        wait_until_ready(server)
    except BaseException:
        process.kill()
        raise
    return server
