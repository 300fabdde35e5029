"""Run wrk, the closed-loop load generator, and parse its results.

Each of wrk's connections sends its next request only once it has its answer, so a slow service
gets fewer requests. wrk 4 corrects its percentiles for that: after a slow answer it adds the
latencies of the requests that it would have sent at its mean rate. One pause of the service
therefore affects many percentiles, and the mean rate still depends on the service;
`load.tools.open_loop` sends at a given rate.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

SCRIPT = Path(__file__).with_name("predict.lua")
MARK = "RESULT "
TIMEOUT_SECONDS = 10
GRACE_SECONDS = 60
PREDICT_PATH = "/predict_delay"


class WrkError(Exception):
    """Error that wrk is missing or failed, with a message for the user."""


@dataclass(frozen=True)
class Run:
    """Result of one run of wrk.

    Attributes
    ----------
    latency_ms
        ``mean``, ``p50``, ``p75``, ``p90``, ``p99``, ``p999`` and ``max``.
    errors
        Counts of ``connect``, ``read``, ``write``, ``timeout`` and ``status`` (above 399).
    statuses
        Answers by status; empty unless `count_statuses` was set.
    client_cpu
        Processor seconds of wrk.
    """

    requests: int
    seconds: float
    bytes: int
    latency_ms: dict[str, float]
    errors: dict[str, int]
    statuses: dict[str, int]
    client_cpu: float = 0.0

    @property
    def rate(self) -> float:
        """Return answers per second."""
        return self.requests / self.seconds

    @property
    def good_rate(self) -> float:
        """Return successful answers per second: under full load, the capacity."""
        return (self.requests - self.failed) / self.seconds

    @property
    def failed(self) -> int:
        """Return the number of requests without a successful answer."""
        return sum(self.errors.values())

    def to_json(self) -> dict[str, Any]:
        """Return all fields, with the rate and the number of failures."""
        return {**asdict(self), "rate": self.rate, "failed": self.failed}

    @classmethod
    def parse(cls, output: str, client_cpu: float = 0.0) -> Self:
        """Parse the result that `predict.lua` prints.

        Raises
        ------
        WrkError
            If there is not exactly one.
        """
        lines = [line for line in output.splitlines() if line.startswith(MARK)]
        if len(lines) != 1:
            message = f"wrk printed no result:\n{output}"
            raise WrkError(message)
        return cls(**json.loads(lines[0].removeprefix(MARK)), client_cpu=client_cpu)


def run(
    url: str,
    payloads: Path,
    *,
    connections: int,
    seconds: int,
    path: str = PREDICT_PATH,
    count_statuses: bool = False,
) -> Run:
    """Send the payloads of a file for some seconds and return the result.

    One thread is enough: it sends several times as much as one worker answers.

    Raises
    ------
    WrkError
        If wrk is missing or fails.
    """
    command = [
        *(find(), f"--connections={connections}", f"--duration={seconds}s", "--threads=1"),
        *(f"--timeout={TIMEOUT_SECONDS}s", "--latency", f"--script={SCRIPT}", url, "--"),
        *(str(payloads), path, "count" if count_statuses else ""),
    ]
    before = _children_cpu()
    done = subprocess.run(  # noqa: S603 - wrk, with arguments made here
        command, capture_output=True, text=True, check=False, timeout=seconds + GRACE_SECONDS
    )
    if done.returncode != 0:
        message = f"wrk failed:\n{done.stdout}{done.stderr}"
        raise WrkError(message)
    return Run.parse(done.stdout, client_cpu=_children_cpu() - before)


def find() -> str:
    """Return the path of wrk.

    Raises
    ------
    WrkError
        If it is not installed; the text says how to install it.
    """
    found = shutil.which("wrk")
    if found is None:
        message = (
            "wrk is not installed. On Debian and Ubuntu: apt-get install wrk; on macOS: "
            "brew install wrk; elsewhere: build it from its source, wg/wrk on GitHub."
        )
        raise WrkError(message)
    return found


def install() -> None:
    """Install wrk with apt-get if this process is root."""
    if shutil.which("wrk") or not shutil.which("apt-get") or os.geteuid() != 0:
        return
    for arguments in (["update", "-qq"], ["install", "-y", "-qq", "wrk"]):
        subprocess.run(["apt-get", *arguments], check=False, timeout=300)  # noqa: S603, S607 - Debian's own


def version() -> str:
    """Return wrk's version, e.g. ``4.1.0``."""
    done = subprocess.run([find(), "--version"], capture_output=True, text=True, check=False)  # noqa: S603 - wrk
    return " ".join(done.stdout.split()[1:2]).removeprefix("debian/")


def _children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
