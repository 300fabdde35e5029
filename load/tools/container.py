"""Run a container as Cloud Run would, and read its processor time and memory."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping
from typing import Any, Self

from load.tools.container_engine import EngineError, docker
from load.tools.server_process import Probe

PORT = 8080
"""Port that the container listens on, as on Cloud Run: not the service's default."""
LIMITS = ("--cpus", "1", "--memory", "512m", "--memory-swap", "512m")
LOCKED = (
    "--read-only",
    *("--tmpfs", "/tmp:size=64m"),  # noqa: S108 - the container's own
    *("--cap-drop", "ALL"),
    *("--security-opt", "no-new-privileges"),
)
POLL_SECONDS = 0.01
# cgroup version 2, else version 1
_PEAK = "cd /sys/fs/cgroup; cat memory.peak 2>/dev/null || cat memory/memory.max_usage_in_bytes"
_CPU = "cd /sys/fs/cgroup; cat cpu.stat 2>/dev/null || cat cpuacct/cpuacct.usage"


class Container:
    """Container with 1 vCPU, 512 MiB and a read-only root; it is removed at the end.

    Parameters
    ----------
    options
        Further options of ``docker run``.
    environment
        Variables besides ``PORT``.

    Attributes
    ----------
    id
        Id of the container, which is the only one that is stopped and removed.
    """

    def __init__(
        self, image: str, *options: str, environment: Mapping[str, str] | None = None
    ) -> None:
        variables = {"PORT": str(PORT), **(environment or {})}
        named = [part for name, value in variables.items() for part in ("--env", f"{name}={value}")]
        self._command = ("--pull", "never", *LIMITS, *LOCKED, *named, *options, image)
        self.id = ""

    def __enter__(self) -> Self:
        self._asked = time.monotonic()
        self.id = docker("run", "--detach", *self._command).strip()
        return self

    def __exit__(self, *_: object) -> None:
        docker("rm", "--force", self.id)

    @property
    def state(self) -> dict[str, Any]:
        """Return settings, address and exit status, as `docker inspect` prints them."""
        found: list[dict[str, Any]] = json.loads(docker("inspect", self.id))
        return found[0]

    @property
    def host(self) -> str:
        """Return its own address: the engine's proxy would accept connections for it."""
        address: str = self.state["NetworkSettings"]["IPAddress"]
        return address

    @property
    def url(self) -> str:
        """Return its address for HTTP clients."""
        return f"http://{self.host}:{PORT}"

    def wait(self, probe: Probe, limit: float = 120) -> float:
        """Return the seconds from the call of the engine to the first answer 200.

        Raises
        ------
        EngineError
            If it ends before, or takes longer than `limit`; the text ends with its log.
        """
        host = self.host
        while not answers(host, probe):
            if time.monotonic() - self._asked > limit or not self.state["State"]["Running"]:
                message = f"the container does not answer with 200:\n{self.log()}"
                raise EngineError(message)
            time.sleep(POLL_SECONDS)
        return time.monotonic() - self._asked

    def log(self) -> str:
        """Return its output, standard error included."""
        return docker("logs", self.id, errors_too=True)

    def execute(self, *command: str) -> str:
        """Run a command in it as its own user, and return the output."""
        return docker("exec", self.id, *command)

    def peak_mb(self) -> float:
        """Return its peak memory in MiB, page cache and /tmp included."""
        return int(self.execute("sh", "-c", _PEAK)) / 2**20

    def cpu_seconds(self) -> float:
        """Return the processor seconds of all its processes so far."""
        words = self.execute("sh", "-c", _CPU).split()
        return int(words[0]) / 1e9 if len(words) == 1 else int(words[1]) / 1e6


def answers(host: str, probe: Probe) -> bool:
    """Return whether a container at an address answers with 200."""
    connection = http.client.HTTPConnection(host, PORT, timeout=30)
    method = "POST" if probe.body else "GET"
    try:
        connection.request(method, probe.path, probe.body or None, _JSON)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


_JSON = {"content-type": "application/json"}
