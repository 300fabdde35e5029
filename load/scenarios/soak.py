"""Keep the service at work for minutes and look for drift: `make soak`.

Arrivals are open-loop at 70 % of what the service can do. Meanwhile its memory and file handles are
noted, and the latency of every second. What grows, grows slowly: a line is fitted to each, and its
slope is given with its confidence, so that noise is not taken for a leak nor a leak for noise.
"""

from __future__ import annotations

import json
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

from data.load import load_flights
from load.reports import report
from load.scenarios.overload import CONNECTIONS, FLIGHTS, storm_bodies
from load.tools import environment, open_loop, wrk
from load.tools.payloads import make_workload
from load.tools.server_process import PROJECT, Probe, Server, pss_kb, service
from serving.models import store
from serving.settings import settings

logger = logging.getLogger("load")

SHARE = 0.7
CAPACITY_SECONDS, CAPACITY_SHARE = 60.0, 0.1
"""How long capacity is measured, and at most which share of the run. What a shared host can do for
some seconds, it cannot do for half an hour: 70 % of that was full load."""
NOTE_SECONDS = 1.0
WARM_UP_SHARE = 0.2
"""Of the run, left out of the lines: caches fill, the allocator settles."""
BLOCKS = 12
"""Neighbouring notes are alike; their means over so many blocks are taken to be independent."""
T_95 = 2.228
"""Two-sided 95 % of Student's t with BLOCKS - 2 degrees of freedom."""

GROWTH_MB_PER_HOUR, LEAST_GROWTH_MB = 60.0, 5.0
"""Of the memory; over a short run, less than the second in all is not told from settling."""
DRIFT_PER_HOUR, LEAST_DRIFT = 1.0, 0.5
"""Of the p99, as a share of itself: it may not double within an hour; likewise."""
MORE_HANDLES = 5
MOST_REFUSED = 0.01
"""Of what was asked. To refuse is what the service does at full load, so where the host slows down
for a second it is no fault; where more is refused than this, the run was not one at 70 %."""

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
class Notes:
    """What was noted of the process tree: seconds since the start, memory, file handles."""

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

    A leak is there in the second run too, what others did to the machine is usually not.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    wrk.install()
    result = _try(60 * minutes)
    while result["faults"] and (tries := tries - 1):
        logger.warning("once more: %s", "; ".join(result["faults"]))
        result = _try(60 * minutes)
    reports.mkdir(parents=True, exist_ok=True)
    (reports / report.SOAK_JSON).write_text(json.dumps(result, indent=1) + "\n")
    if docs:
        report.write_table(PROJECT / "docs", result, report.SOAK_TABLE)
    for fault in result["faults"]:
        logger.error("%s", fault)
    if result["faults"]:
        raise typer.Exit(EXIT_DRIFT)


def _try(seconds: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="flight-delay-soak-") as folder:
        return measure(Path(folder), seconds)


def measure(folder: Path, seconds: float) -> dict[str, Any]:
    """Run it, with temporary files in a folder."""
    tag, bundle = store.read(settings().model, threads=1)
    header = environment.header("load.scenarios.soak", tag, bundle.predictor)
    workload = make_workload(load_flights(), folder)
    path = storm_bodies(workload, folder)
    with service(Probe(wrk.PREDICT_PATH, workload.bodies()[0]), folder / "log") as server:
        before = _capacity(server, path, seconds)
        rate = SHARE * before
        logger.info("%.0f requests/s of %d flights for %.0f s", rate, FLIGHTS, seconds)
        requests = open_loop.http_requests(path.read_bytes().splitlines(), server.port)
        with noting(server) as notes:
            done = open_loop.run(
                server.port, requests, open_loop.poisson(rate, seconds), CONNECTIONS
            )
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
        "memory_mb": [notes.memory_mb[0], notes.memory_mb[-1]],
        **judge(
            notes,
            [(s["second"], s["p99"]) for s in done.seconds],
            failed=done.failed - done.refused,
            refused=done.refused / done.arrivals,
        ),
    }


def _capacity(server: Server, bodies: Path, seconds: float) -> float:
    """Requests per second that the service answers, measured for some of the seconds of a run."""
    measured = max(1, round(min(CAPACITY_SECONDS, CAPACITY_SHARE * seconds)))
    return wrk.run(server.url, bodies, connections=64, seconds=measured).good_rate


def judge(
    notes: Notes,
    p99_by_second: Sequence[tuple[float, float]],
    failed: int = 0,
    refused: float = 0.0,
) -> dict[str, Any]:
    """Lines through memory and p99, growth of the handles, and what is wrong with them.

    `failed` counts the requests that were neither answered nor refused, `refused` is a share. Only
    a slope whose whole confidence interval lies beyond its limit counts as drift.
    """
    start = int(WARM_UP_SHARE * len(notes.seconds))
    memory = Line.fit(notes.seconds[start:], notes.memory_mb[start:])
    seconds, values = zip(*p99_by_second[int(WARM_UP_SHARE * len(p99_by_second)) :], strict=True)
    p99 = Line.fit(seconds, values)
    typical = float(np.median(values))
    handles = max(notes.handles[-5:]) - max(notes.handles[start : start + 5])
    hours = (notes.seconds[-1] - notes.seconds[start]) / 3600
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
def noting(server: Server) -> Iterator[Notes]:
    """Note memory and handles of a server's processes for as long as the block lasts."""
    notes = Notes([], [], [])
    over = threading.Event()

    def note() -> None:
        started = time.monotonic()
        while not over.wait(NOTE_SECONDS):
            pids = server.pids
            notes.seconds.append(time.monotonic() - started)
            notes.memory_mb.append(sum(map(pss_kb, pids)) / 1024)
            notes.handles.append(sum(map(_handles, pids)))

    thread = threading.Thread(target=note)
    thread.start()
    try:
        yield notes
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
