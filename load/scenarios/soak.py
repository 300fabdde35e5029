"""Load the service for minutes and look for drift: `make soak`.

Arrivals are open-loop at 70 % of the capacity. Memory, file handles and the latency of each second
are recorded. A line is fitted to each series, and its slope has a confidence interval, so that
noise is not reported as a leak.
"""

from __future__ import annotations

import logging
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from load.reports import report
from load.scenarios.overload import CONNECTIONS, FLIGHTS
from load.tools import open_loop, wrk
from load.tools.server_process import Server, pss_kb
from load.tools.setup import Setup

logger = logging.getLogger("load")

SHARE = 0.7
CAPACITY_SECONDS, CAPACITY_SHARE = 60.0, 0.1
"""Duration of the capacity measurement, and its largest share of the run. A shared host is faster
for some seconds than for half an hour, so a short measurement overestimates the capacity."""
SAMPLE_SECONDS = 1.0
WARM_UP_SHARE = 0.2
"""Share of the run that is left out of the lines: caches fill, the allocator grows."""
BLOCKS = 12
"""Neighbouring samples are correlated; the means of this many blocks are treated as independent."""
T_95 = 2.228
"""Two-sided 95 % of Student's t with BLOCKS - 2 degrees of freedom."""

GROWTH_MB_PER_HOUR, LEAST_GROWTH_MB = 60.0, 5.0
"""Limits of memory growth: per hour, and in total for a short run, where start-up dominates."""
DRIFT_PER_HOUR, LEAST_DRIFT = 1.0, 0.5
"""Limits of p99 growth as a share of the p99: per hour, and in total for a short run."""
MORE_HANDLES = 5
MOST_REFUSED = 0.01
"""Largest share of refused requests. The service refuses requests at full load, so one second of a
slow host is no fault; above this share the load was more than 70 % of the capacity."""

EXIT_DRIFT = 1


@dataclass(frozen=True)
class Line:
    """Slope of a fitted line, per hour, with the ends of its 95 % confidence interval."""

    slope: float
    low: float
    high: float

    @classmethod
    def fit(cls, seconds: Sequence[float], values: Sequence[float]) -> Line:
        """Fit by least squares to the means of blocks of neighbouring values."""
        at = [float(part.mean()) for part in np.array_split(np.asarray(seconds), BLOCKS)]
        means = [float(part.mean()) for part in np.array_split(np.asarray(values), BLOCKS)]
        x, y = np.array(at) / 3600, np.array(means)
        x = x - x.mean()
        slope = float((x * y).sum() / (x * x).sum())
        left = y - y.mean() - slope * x
        error = float(np.sqrt((left * left).sum() / (BLOCKS - 2) / (x * x).sum()))
        return cls(slope, slope - T_95 * error, slope + T_95 * error)


@dataclass(frozen=True)
class Samples:
    """Samples of the process tree: seconds since the start, memory, file handles."""

    seconds: list[float]
    memory_mb: list[float]
    handles: list[int]


def main(
    minutes: Annotated[float, typer.Option(help="How long.", min=0.5)] = 30.0,
    docs: Annotated[bool, typer.Option(help="Write docs/soak.md.")] = True,
    reports: Annotated[Path, typer.Option(help="Folder for soak.json.")] = Path("reports"),
    tries: Annotated[int, typer.Option(help="Fail only if so many runs do.", min=1)] = 1,
) -> None:
    """Keep the service at 70 % of its capacity; fail where memory, handles or p99 drift.

    A leak appears again in a second run; a disturbance by other processes usually does not.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    wrk.install()
    result = _try(60 * minutes)
    while result["faults"] and (tries := tries - 1):
        logger.warning("trying again: %s", "; ".join(result["faults"]))
        result = _try(60 * minutes)
    report.save(result, report.SOAK_TABLE, reports, docs=docs)
    for fault in result["faults"]:
        logger.error("%s", fault)
    if result["faults"]:
        raise typer.Exit(EXIT_DRIFT)


def _try(seconds: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="flight-delay-soak-") as folder:
        return measure(Path(folder), seconds)


def measure(folder: Path, seconds: float) -> dict[str, Any]:
    """Run once, with temporary files in a folder."""
    setup = Setup.make(folder)
    header = setup.header("load.scenarios.soak")
    path = setup.workload.write(folder, FLIGHTS)
    with setup.serve() as server:
        before = _capacity(server, path, seconds)
        rate = SHARE * before
        logger.info("%.0f requests/s of %d flights for %.0f s", rate, FLIGHTS, seconds)
        requests = open_loop.http_requests(path.read_bytes().splitlines(), server.port)
        due = open_loop.poisson(rate, seconds)
        with sampled(server) as samples:
            done = open_loop.run(server.port, requests, due, CONNECTIONS)
        after = _capacity(server, path, seconds)
    return {
        **header,
        "flights_per_request": FLIGHTS,
        "rate": rate,
        "seconds": seconds,
        "answered": done.arrivals - done.failed,
        "failed": done.failed - done.refused,
        "refused": done.refused,
        "capacity": [before, after],
        "latency_ms": done.latency_ms,
        "memory_mb": [samples.memory_mb[0], samples.memory_mb[-1]],
        **judge(
            samples,
            [(s["second"], s["p99"]) for s in done.seconds],
            failed=done.failed - done.refused,
            refused=done.refused / done.arrivals,
        ),
    }


def _capacity(server: Server, payloads: Path, seconds: float) -> float:
    """Return the requests per second that the service answers at 64 connections."""
    measured = max(1, round(min(CAPACITY_SECONDS, CAPACITY_SHARE * seconds)))
    return wrk.run(server.url, payloads, connections=64, seconds=measured).good_rate


def judge(
    samples: Samples,
    p99_by_second: Sequence[tuple[float, float]],
    failed: int = 0,
    refused: float = 0.0,
) -> dict[str, Any]:
    """Fit lines to memory and p99, and list the limits that are exceeded as `faults`.

    `failed` counts the requests that were neither answered nor refused, `refused` is a share. A
    slope counts as drift only if its whole confidence interval lies beyond the limit.
    """
    start = int(WARM_UP_SHARE * len(samples.seconds))
    memory = Line.fit(samples.seconds[start:], samples.memory_mb[start:])
    seconds, values = zip(*p99_by_second[int(WARM_UP_SHARE * len(p99_by_second)) :], strict=True)
    p99 = Line.fit(seconds, values)
    typical = float(np.median(values))
    handles = max(samples.handles[-5:]) - max(samples.handles[start : start + 5])
    hours = (samples.seconds[-1] - samples.seconds[start]) / 3600
    most_growth = max(GROWTH_MB_PER_HOUR, LEAST_GROWTH_MB / hours)
    most_drift = max(DRIFT_PER_HOUR, LEAST_DRIFT / hours) * typical
    faults = []
    if memory.low > most_growth:
        faults.append(f"memory grows by {memory.slope:.0f} MB per hour")
    if p99.low > most_drift:
        faults.append(f"the p99 grows by {p99.slope:.1f} ms per hour")
    if handles > MORE_HANDLES:
        faults.append(f"{handles} more file handles are open")
    if failed:
        faults.append(f"{failed} requests failed")
    if refused > MOST_REFUSED:
        faults.append(f"{refused:.1%} were refused: the host cannot keep up with this rate")
    return {
        "memory_mb_per_hour": {**asdict(memory), "most": most_growth},
        "p99_ms_per_hour": {**asdict(p99), "most": most_drift},
        "p99_ms_typical": typical,
        "handles_grown": handles,
        "most_handles": MORE_HANDLES,
        "most_refused": MOST_REFUSED,
        "faults": faults,
    }


@contextmanager
def sampled(server: Server) -> Iterator[Samples]:
    """Sample memory and handles of a server's processes during the block."""
    samples = Samples([], [], [])
    over = threading.Event()

    def sample() -> None:
        started = time.monotonic()
        while not over.wait(SAMPLE_SECONDS):
            pids = server.pids
            samples.seconds.append(time.monotonic() - started)
            samples.memory_mb.append(sum(map(pss_kb, pids)) / 1024)
            samples.handles.append(sum(map(_handles, pids)))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join()


def _handles(pid: int) -> int:
    try:
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except OSError:
        return 0


if __name__ == "__main__":
    typer.run(main)
