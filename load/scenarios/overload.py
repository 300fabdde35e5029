"""Measure the service beyond its capacity: `python -m load.scenarios.overload`.

Arrivals are open-loop: their rate does not depend on the answers. Requests have 50 flights each, so
that four times the capacity of one worker stays far below that of the load generator: a saturated
client would measure its own queue.
"""

from __future__ import annotations

import logging
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from load.reports import report
from load.tools import open_loop, wrk
from load.tools.open_loop import OpenRun
from load.tools.server_process import Server
from load.tools.setup import Setup
from load.tools.stats import FloatArray
from serving.contract.schema import MAX_FLIGHTS

logger = logging.getLogger("load")

FLIGHTS = 50
"""Flights per request."""
SHARES = (0.5, 1.0, 2.0, 4.0)
ROUNDS = 5
"""Number of rounds that the seconds of each step are divided into."""
CONNECTIONS = 1_000
"""Enough to carry more flights than the service lets wait: with fewer connections the client would
wait for a free one, and its arrivals would not be open-loop."""
RECOVERY_SHARE = 0.25
"""Arrival rate right after the overload, as a share of the capacity."""
BEYOND = 1.5
"""Arrival rate while the capacity is measured, as a multiple of the closed loop's rate."""
SINGLES_PER_SECOND = 300.0
RECOVERY_SECONDS = 2
BULK_CONNECTIONS = 1


def main(
    seconds: Annotated[int, typer.Option(help="Of each step.", min=1)] = 30,
    docs: Annotated[bool, typer.Option(help="Write docs/overload.md.")] = True,
    reports: Annotated[Path, typer.Option(help="Folder for overload.json.")] = Path("reports"),
) -> None:
    """Measure goodput, refusals and recovery beyond capacity, and small requests during bulk."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    wrk.install()
    with tempfile.TemporaryDirectory(prefix="flight-delay-overload-") as folder:
        result = measure(Path(folder), seconds)
    report.save(result, report.OVERLOAD_TABLE, reports, docs=docs)
    for bar in result["bars"]:
        logger.info("%(what)s: %(measured).2f (%(sign)s %(bar)g)", bar)


def measure(folder: Path, seconds: int) -> dict[str, Any]:
    """Measure all of it, with temporary files in a folder."""
    setup = Setup.make(folder)
    header = setup.header("load.scenarios.overload")
    with setup.serve() as server:
        steps = _overload(server, setup, seconds)
        beside = _beside_bulk(server, setup, seconds)
    found = {"seconds": seconds, "storm": steps, "beside_bulk": beside}
    return {**header, **found, "bars": bars(steps, beside)}


def bars(overload: dict[str, Any], beside: dict[str, Any]) -> list[dict[str, Any]]:
    """Compare the measurement with the bars."""
    half, whole, *_, worst = overload["steps"]
    late = [row["p99"] for row in overload["after"]["seconds"] if row["second"] >= RECOVERY_SECONDS]
    goodput = max(step["goodput"] for step in overload["steps"])
    found = (
        ("goodput at 400 %, of the best", worst["goodput"] / goodput, ">=", 0.85),
        ("p99 of answers at 400 %, times that at 100 %",
         worst["latency_ms"]["p99"] / whole["latency_ms"]["p99"], "<=", 2.0),
        ("p99 of refusals at 400 %, ms", worst["refused_ms"].get("p99", 0.0), "<=", 20.0),
        (f"p99 from {RECOVERY_SECONDS} s after the overload on, times that at 50 %",
         float(np.median(late)) / half["latency_ms"]["p99"] if late else float("nan"), "<=", 2.0),
        ("neither answered nor refused", sum(s["failed"] - s["refused"] for s in overload["steps"]),
         "<=", 0),
        ("p99 of single flights during bulk, times alone", beside["p99_ratio"], "<=", 3.0),
    )  # fmt: skip
    return [
        {"what": what, "measured": float(measured), "sign": sign, "bar": float(bar),
         "met": bool(measured >= bar if sign == ">=" else measured <= bar)}
        for what, measured, sign, bar in found
    ]  # fmt: skip


def _overload(server: Server, setup: Setup, seconds: int) -> dict[str, Any]:
    """Measure the capacity, steps from half to four times of it, and the recovery.

    Every round takes all steps and measures its own capacity, because the cores of a virtual
    machine change their speed from minute to minute: this must not appear as a difference between
    steps.
    """
    path = setup.workload.write(setup.folder, FLIGHTS)
    requests = open_loop.http_requests(path.read_bytes().splitlines(), server.port)
    capacities, rounds = [], []
    for _ in range(ROUNDS):
        capacities.append(_capacity(server, path, requests, seconds / ROUNDS))
        rounds.append(_round(server, requests, capacities[-1], seconds / ROUNDS))
    capacity = float(np.median(capacities))
    due = open_loop.poisson(RECOVERY_SHARE * capacity, min(seconds, 6))
    after = _arrive(server, requests, due)
    logger.info("right after: %s", _line(after))
    return {
        "flights_per_request": FLIGHTS,
        "rounds": ROUNDS,
        "capacity": capacity,
        "steps": [together(runs) for runs in zip(*rounds, strict=True)],
        "after": after,
    }


def _capacity(server: Server, path: Path, requests: Sequence[bytes], seconds: float) -> float:
    """Return the requests per second that are answered while more arrive.

    wrk's closed loop gets up to an eighth less: it works between an answer and the next request,
    and its few connections make small batches.
    """
    closed = wrk.run(server.url, path, connections=64, seconds=max(1, round(seconds))).good_rate
    beyond = _arrive(server, requests, open_loop.poisson(BEYOND * closed, seconds))
    capacity = max(closed, float(beyond["goodput"]))
    logger.info("capacity %.0f requests/s of %d flights (wrk: %.0f)", capacity, FLIGHTS, closed)
    return capacity


def _round(
    server: Server, requests: Sequence[bytes], capacity: float, seconds: float
) -> list[dict[str, Any]]:
    steps = []
    for share in SHARES:
        due = open_loop.poisson(share * capacity, seconds)
        steps.append({"share": share, **_arrive(server, requests, due)})
        logger.info("%3.0f %%: %s", 100 * share, _line(steps[-1]))
    return steps


def together(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Combine the runs of a step: the sum of counts, the median of everything else."""
    found: dict[str, Any] = {name: sum(run[name] for run in runs) for name in ("failed", "refused")}
    for name in ("share", "rate", "goodput"):
        found[name] = float(np.median([run[name] for run in runs]))
    for name in ("latency_ms", "refused_ms", "cores"):
        found[name] = _medians([run[name] for run in runs if run[name]])
    return {**found, "goodputs": [run["goodput"] for run in runs]}


def _arrive(server: Server, requests: Sequence[bytes], due: FloatArray) -> dict[str, Any]:
    """Measure a run of arrivals, with the cores that each process kept busy."""
    before, started = server.cpu(), time.monotonic()
    run = open_loop.run(server.port, requests, due, CONNECTIONS)
    spent, after = time.monotonic() - started, server.cpu()
    cores = {name: (cpu - before.get(name, 0.0)) / spent for name, cpu in after.items()}
    goodput = (run.arrivals - run.failed) / (run.arrivals / run.rate)
    cores["client"] = run.client_cpu / spent
    return {**run.to_json(), "goodput": goodput, "cores": cores}


def _beside_bulk(server: Server, setup: Setup, seconds: int) -> dict[str, Any]:
    """Measure single flights alone, and while requests of 10,000 flights are sent in sequence."""
    requests = open_loop.http_requests(setup.workload.payloads(), server.port)
    path = setup.workload.write(setup.folder, MAX_FLIGHTS)
    each = max(1, round(seconds / ROUNDS))
    due = open_loop.poisson(SINGLES_PER_SECOND, each)
    alone, beside, bulk = [], [], []
    for _ in range(ROUNDS):
        alone.append(open_loop.run(server.port, requests, due, CONNECTIONS))
        with _bulk_stream(server, path, each) as stream:
            beside.append(open_loop.run(server.port, requests, due, CONNECTIONS))
        bulk += stream
        logger.info(
            "single flights: p99 %.2f ms alone, %.2f ms during bulk",
            *(alone[-1].latency_ms["p99"], beside[-1].latency_ms["p99"]),
        )
    ratios = [b.latency_ms["p99"] / a.latency_ms["p99"] for a, b in zip(alone, beside, strict=True)]
    return {
        "rate": SINGLES_PER_SECOND,
        "alone": median_latencies(alone),
        "beside": median_latencies(beside),
        "p99_ratio": float(np.median(ratios)),
        "p99_ratios": ratios,
        "bulk_flights_per_second": float(np.median([run.rate for run in bulk])) * MAX_FLIGHTS,
        "bulk_failed": sum(run.failed for run in bulk),
    }


def median_latencies(runs: Sequence[OpenRun]) -> dict[str, Any]:
    """Return median latencies over all rounds, and the number of failed requests."""
    latency = _medians([run.latency_ms for run in runs])
    return {"latency_ms": latency, "failed": sum(run.failed for run in runs)}


def _medians(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the median of each figure over all runs; an empty dictionary without runs."""
    names = runs[0] if runs else ()
    return {name: float(np.median([each[name] for each in runs])) for name in names}


@contextmanager
def _bulk_stream(server: Server, path: Path, seconds: int) -> Iterator[list[wrk.Run]]:
    """Send bulk requests during the block; the list holds the result after it."""
    found: list[wrk.Run] = []

    def send() -> None:
        run = wrk.run(server.url, path, connections=BULK_CONNECTIONS, seconds=seconds)
        found.append(run)

    thread = threading.Thread(target=send)
    thread.start()
    yield found
    thread.join()


def _line(step: dict[str, Any]) -> str:
    refused = step["refused_ms"].get("p99", float("nan"))
    return (
        f"{step['rate']:6.0f} arrivals/s  {step['goodput']:6.0f} answered  "
        f"p99 {step['latency_ms']['p99']:7.1f} ms  {step['refused']} refused "
        f"(p99 {refused:.1f} ms)  {step['failed'] - step['refused']} failed  cores: "
        + ", ".join(f"{name} {cores:.2f}" for name, cores in step["cores"].items())
    )


if __name__ == "__main__":
    typer.run(main)
