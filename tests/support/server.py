"""Launcher of a real `bentoml serve` in a process of its own.

`load.tools.server_process` starts servers too, those to compare with included, and kills what does
not end. Here a service that does not end on SIGTERM fails the test.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from load.tools.server_process import PROJECT, free_port

__all__ = ["PROJECT", "WORKER_STARTED", "Server", "free_port", "running_server", "wait_until_ready"]

START_SECONDS = 240
STOP_SECONDS = 120
"""Limit that only ends a test run whose service hangs; on a busy machine all takes long."""
WORKER_STARTED = "Completed startup hook: start"
"""In the log, once for each worker: BentoML's line for the hook `FlightDelayService.start`."""


@dataclass(frozen=True)
class Server:
    """Running `bentoml serve`."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path


class running_server:  # noqa: N801 - a context manager, used like a function
    """Start `bentoml serve` on a free port; stop it at the end.

    Parameters
    ----------
    log
        File for the output of all processes.
    folder, target
        Working directory, and the service in it or the tag of a bento.
    environment
        Variables in addition to those of this process.
    """

    def __init__(
        self, log: Path, folder: Path = PROJECT, target: str = ".", **environment: str
    ) -> None:
        self._log = log
        self._folder = folder
        self._target = target
        self._environment = environment

    def __enter__(self) -> Server:
        port = free_port()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bentoml", "serve", self._target, "--port", str(port)],
                cwd=self._folder,
                env={**os.environ, **self._environment},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.limit(self._process)
        server = Server(f"http://127.0.0.1:{port}", self._process, self._log)
        try:
            wait_until_ready(server)
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        return server

    def limit(self, process: subprocess.Popen[bytes]) -> None:
        """Limit the resources of the process and of its workers; here not at all."""

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(timeout=STOP_SECONDS)


def wait_until_ready(server: Server) -> None:
    """Wait for the first answer 200 of `/readyz`; fail with the log where the service ends."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            if httpx.get(f"{server.url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    pytest.fail(f"the service did not start:\n{server.log.read_text()}")
