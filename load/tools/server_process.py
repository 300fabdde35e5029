"""Start a server, wait for its first answer, and read processor time and memory."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

PROJECT = Path(__file__).parents[2]
HOST = "127.0.0.1"
POLL_SECONDS = 0.02
STOP_SECONDS = 20
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class ServerError(Exception):
    """Error that a server did not start or answer; the text ends with its log."""


@dataclass(frozen=True)
class Probe:
    """Request whose first answer 200 shows that a server has started."""

    path: str
    body: bytes

    def works(self, port: int) -> bool:
        """Return whether the server on a port answers it with 200."""
        connection = http.client.HTTPConnection(HOST, port, timeout=10)
        try:
            connection.request("POST", self.path, self.body, {"content-type": "application/json"})
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


class Server:
    """Server in its own processes; a context manager that stops them.

    Parameters
    ----------
    command
        ``{port}`` in its parts is replaced.
    environment
        Added to the variables of this process; ``{port}`` in the values is replaced.
    probe
        Sent repeatedly until the server answers it.

    Attributes
    ----------
    port
        Free port, chosen by the constructor.
    start_seconds
        From the start of the process to the first answer 200.
    """

    def __init__(
        self,
        command: Sequence[str],
        probe: Probe,
        log: Path,
        *,
        environment: Mapping[str, str] | None = None,
        start_limit: float = 120,
    ) -> None:
        self.port = free_port()
        self.start_seconds = float("nan")
        self._command = [part.replace("{port}", str(self.port)) for part in command]
        added = {k: v.replace("{port}", str(self.port)) for k, v in (environment or {}).items()}
        self._environment = {**os.environ, **added}
        self._probe = probe
        self._log = log
        self._start_limit = start_limit

    @property
    def url(self) -> str:
        """Return its address on the loopback interface."""
        return f"http://{HOST}:{self.port}"

    def __enter__(self) -> Self:
        started = time.monotonic()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the commands are the project's own
                self._command,
                cwd=PROJECT,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait(started + self._start_limit)
        except BaseException:
            self._stop()
            raise
        self.start_seconds = time.monotonic() - started
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    @property
    def pids(self) -> list[int]:
        """Return the ids of its processes, the parent first."""
        return tree(self._process.pid)

    def cpu(self) -> dict[str, float]:
        """Return processor seconds so far, by process name."""
        return cpu_by_name(self.pids)

    def memory_mb(self) -> float:
        """Return the proportional set size of all its processes, which counts shared pages once."""
        return sum(map(pss_kb, self.pids)) / 1024

    def log(self) -> str:
        """Return the last lines of its output."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-20:])

    def _wait(self, deadline: float) -> None:
        while not self._probe.works(self.port):
            if self._process.poll() is not None:
                message = f"the server exited:\n{self.log()}"
                raise ServerError(message)
            if time.monotonic() > deadline:
                message = f"no answer after {self._start_limit:.0f} s:\n{self.log()}"
                raise ServerError(message)
            time.sleep(POLL_SECONDS)

    def _stop(self) -> None:
        """Terminate the processes, and kill those that do not exit."""
        born = {pid: started_at(pid) for pid in self.pids}
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        deadline = time.monotonic() + STOP_SECONDS
        while (left := _still_there(born)) and time.monotonic() < deadline:
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(POLL_SECONDS)
        self._process.wait(STOP_SECONDS)


def service(
    probe: Probe, log: Path, *, batching: str = "inline", workers: int = 1, **more: str
) -> Server:
    """Return the project's own service, not yet started.

    Parameters
    ----------
    more
        Further environment variables.
    """
    environment = {
        "FLIGHT_DELAY_BATCHING": batching,
        "FLIGHT_DELAY_WORKERS": str(workers),
        "BENTOML_DO_NOT_TRACK": "true",
        **more,
    }
    command = [sys.executable, "-m", "bentoml", "serve", "--host", HOST, "--port", "{port}"]
    return Server(command, probe, log, environment=environment)


def free_port() -> int:
    """Return a free port of the loopback interface."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def tree(root: int) -> list[int]:
    """Return a process and all its descendants."""
    found = [root]
    for pid in found:
        with suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found


def cpu_by_name(pids: Sequence[int]) -> dict[str, float]:
    """Return user and system processor seconds of the running processes, by name."""
    seconds: dict[str, float] = {}
    for pid in pids:
        stat = _stat(pid)
        if stat is not None:
            name = process_name(pid)
            ticks = int(stat[11]) + int(stat[12])
            seconds[name] = seconds.get(name, 0.0) + ticks / TICKS_PER_SECOND
    return seconds


def process_name(pid: int) -> str:
    """Return a short name of a process: ``worker`` and ``supervisor`` for those of BentoML."""
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return "gone"
    if "worker.service" in line:
        return "worker"
    if " bentoml serve" in line or "/bentoml serve" in line:
        return "supervisor"
    return line.split(" ")[0].rsplit("/")[-1].rstrip(":")


def pss_kb(pid: int) -> int:
    """Return the proportional set size of a process; 0 if it has ended."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")), 0)


def started_at(pid: int) -> int | None:
    """Return the start of a running process in ticks since boot, which tells reused ids apart."""
    stat = _stat(pid)
    return None if stat is None or stat[0] == "Z" else int(stat[19])


def _still_there(born: Mapping[int, int | None]) -> list[int]:
    """Return the processes that still run, without new ones that reuse an id."""
    return [pid for pid, start in born.items() if start is not None and started_at(pid) == start]


def _stat(pid: int) -> list[str] | None:
    """Return the fields of /proc/PID/stat from the state (field 3 of proc(5)) on."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
