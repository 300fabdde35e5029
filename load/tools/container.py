"""Runs a container as Cloud Run would, and reads what it costs."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping
from typing import Any, Self

from load.tools.container_engine import EngineError, docker
from load.tools.server_process import Probe

PORT = 8080
"""What the container is told to listen on, as Cloud Run does: not the service's own default."""
LIMITS = ("--cpus", "1", "--memory", "512m", "--memory-swap", "512m")
LOCKED = (
    "--read-only",
    *("--tmpfs", "/tmp:size=64m"),  # noqa: S108 - the container's own
    *("--cap-drop", "ALL"),
    *("--security-opt", "no-new-privileges"),
)
POLL_SECONDS = 0.01
# of cgroups, version 2, else version 1
_PEAK = "cd /sys/fs/cgroup; cat memory.peak 2>/dev/null || cat memory/memory.max_usage_in_bytes"
_CPU = "cd /sys/fs/cgroup; cat cpu.stat 2>/dev/null || cat cpuacct/cpuacct.usage"


class Container:
    """A container with 1 vCPU, 512 MiB and a read-only root; removed at the end.

    Parameters
    ----------
    options
        More options of ``docker run``.
    environment
        Variables besides ``PORT``.

    Attributes
    ----------
    id
        Its id; nothing else is ever stopped or removed.
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
        """What the engine knows of it: its settings, its address, how it ended."""
        found: list[dict[str, Any]] = json.loads(docker("inspect", self.id))
        return found[0]

    @property
    def host(self) -> str:
        """Its own address: reached without the engine's proxy, which would accept for it."""
        address: str = self.state["NetworkSettings"]["IPAddress"]
        return address

    @property
    def url(self) -> str:
        """Its address for HTTP clients."""
        return f"http://{self.host}:{PORT}"

    def wait(self, probe: Probe, limit: float = 120) -> float:
        """Seconds from the call of the engine to the first good answer.

        Raises
        ------
        EngineError
            If it ends before, or takes longer than `limit`; the text ends with its log.
        """
        host = self.host
        while not answers(host, probe):
            if time.monotonic() - self._asked > limit or not self.state["State"]["Running"]:
                message = f"the container gives no good answer:\n{self.log()}"
                raise EngineError(message)
            time.sleep(POLL_SECONDS)
        return time.monotonic() - self._asked

    def log(self) -> str:
        """What it has printed, errors too."""
        return docker("logs", self.id, errors_too=True)

    def execute(self, *command: str) -> str:
        """Run a command in it, as its own user."""
        return docker("exec", self.id, *command)

    def peak_mb(self) -> float:
        """Most memory that it ever held, page cache and /tmp included, in MiB."""
        return int(self.execute("sh", "-c", _PEAK)) / 2**20

    def cpu_seconds(self) -> float:
        """Processor seconds of all its processes so far."""
        words = self.execute("sh", "-c", _CPU).split()
        return int(words[0]) / 1e9 if len(words) == 1 else int(words[1]) / 1e6


def answers(host: str, probe: Probe) -> bool:
    """Whether a container at an address answers with 200."""
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
