"""More than the service can do: `python -m load.scenarios.overload`, `make load-overload`.

Arrivals are open-loop: they do not slow down because the service does. Requests carry 50 flights
each, so that four times what one worker can do is still far from what the load generator can: a
client that is itself at its limit would show its own waiting.
"""

from __future__ import annotations

import json
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

from data.load import load_flights
from load.reports import report
from load.tools import environment, open_loop, wrk
from load.tools.open_loop import OpenRun
from load.tools.payloads import Workload, bodies, make_workload
from load.tools.server_process import PROJECT, Probe, Server, service
from load.tools.stats import FloatArray
from serving.contract.schema import MAX_FLIGHTS
from serving.models import store
from serving.settings import settings

logger = logging.getLogger("load")

FLIGHTS = 50
"""Flights per request of the storm."""
SHARES = (0.5, 1.0, 2.0, 4.0)
ROUNDS = 5
"""In which the seconds of each step are spent."""
CONNECTIONS = 1_000
"""Those of the storm together carry more flights than the service lets wait: with fewer of them
the client would wait for a free one, and its arrivals would not be open-loop any more."""
CALM_SHARE = 0.25
"""Of the capacity; what arrives right after the storm."""
BEYOND = 1.5
"""Times what a closed loop gets answered: what arrives while the capacity is measured."""
SINGLES_PER_SECOND = 300.0
RECOVERY_SECONDS = 2
BULK_CONNECTIONS = 1


def main(
    seconds: Annotated[int, typer.Option(help="Of each step.", min=1)] = 30,
    docs: Annotated[bool, typer.Option(help="Write docs/overload.md.")] = True,
    reports: Annotated[Path, typer.Option(help="Folder for overload.json.")] = Path("reports"),
) -> None:
    """Measure goodput, refusals and recovery beyond capacity, and small requests beside bulk."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    wrk.install()
    with tempfile.TemporaryDirectory(prefix="flight-delay-overload-") as folder:
        result = measure(Path(folder), seconds)
    reports.mkdir(parents=True, exist_ok=True)
    (reports / report.OVERLOAD_JSON).write_text(json.dumps(result, indent=1) + "\n")
    for bar in result["bars"]:
        logger.info("%(what)s: %(measured).2f (%(sign)s %(bar)g)", bar)
    if docs:
        report.write_table(PROJECT / "docs", result, report.OVERLOAD_TABLE)


def measure(folder: Path, seconds: int) -> dict[str, Any]:
    """Carry out all of it, with temporary files in a folder."""
    tag, bundle = store.read(settings().model, threads=1)
    header = environment.header("load.scenarios.overload", tag, bundle.predictor)
    workload = make_workload(load_flights(), folder)
    probe = Probe(wrk.PREDICT_PATH, workload.bodies()[0])
    with service(probe, folder / "service.log") as server:
        storm = _storm(server, workload, folder, seconds)
        beside = _beside_bulk(server, workload, folder, seconds)
    return {
        **header,
        "workload": {
            "origin": workload.origin,
            "is_sample": workload.is_sample,
            "flights": workload.flights,
        },
        "seconds": seconds,
        "storm": storm,
        "beside_bulk": beside,
        "bars": bars(storm, beside),
    }


def bars(storm: dict[str, Any], beside: dict[str, Any]) -> list[dict[str, Any]]:
    """What was promised of overload, beside what was measured."""
    half, whole, *_, worst = storm["steps"]
    late = [row["p99"] for row in storm["after"]["seconds"] if row["second"] >= RECOVERY_SECONDS]
    goodput = max(step["goodput"] for step in storm["steps"])
    found = (
        ("goodput at 400 %, of the best", worst["goodput"] / goodput, ">=", 0.85),
        ("p99 of what was answered at 400 %, times that at 100 %",
         worst["latency_ms"]["p99"] / whole["latency_ms"]["p99"], "<=", 2.0),
        ("refused within, p99 at 400 %, ms", worst["refused_ms"].get("p99", 0.0), "<=", 20.0),
        (f"p99 later than {RECOVERY_SECONDS} s after the storm, times that at 50 %",
         float(np.median(late)) / half["latency_ms"]["p99"] if late else float("nan"), "<=", 2.0),
        ("neither answered nor refused", sum(s["failed"] - s["refused"] for s in storm["steps"]),
         "<=", 0),
        ("p99 of single flights beside bulk, times alone", beside["p99_ratio"], "<=", 3.0),
    )  # fmt: skip
    return [
        {"what": what, "measured": float(measured), "sign": sign, "bar": float(bar),
         "met": bool(measured >= bar if sign == ">=" else measured <= bar)}
        for what, measured, sign, bar in found
    ]  # fmt: skip


def _storm(server: Server, workload: Workload, folder: Path, seconds: int) -> dict[str, Any]:
    """Capacity, the same from half to four times of it, and what follows the worst.

    All steps are taken in rounds, each with a capacity of its own: a guest's cores change their
    speed from minute to minute, which must not pass for a difference between steps.
    """
    path = storm_bodies(workload, folder)
    requests = open_loop.http_requests(path.read_bytes().splitlines(), server.port)
    capacities, rounds = [], []
    for _ in range(ROUNDS):
        capacities.append(_capacity(server, path, requests, seconds / ROUNDS))
        rounds.append(_round(server, requests, capacities[-1], seconds / ROUNDS))
    capacity = float(np.median(capacities))
    due = open_loop.poisson(CALM_SHARE * capacity, min(seconds, 6))
    calm = _arrive(server, requests, due)
    logger.info("right after: %s", _line(calm))
    return {
        "flights_per_request": FLIGHTS,
        "rounds": ROUNDS,
        "capacity": capacity,
        "steps": [together(runs) for runs in zip(*rounds, strict=True)],
        "after": calm,
    }


def _capacity(server: Server, path: Path, requests: Sequence[bytes], seconds: float) -> float:
    """Requests per second that are answered while more arrive than can be.

    wrk's closed loop gets up to an eighth less: its own work stands between an answer and the next
    request, and batches are as small as its connections are few.
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
    """One step, from its runs in all rounds: counts are added up, of all else it is the median."""
    found: dict[str, Any] = {name: sum(run[name] for run in runs) for name in ("failed", "refused")}
    for name in ("share", "rate", "goodput"):
        found[name] = float(np.median([run[name] for run in runs]))
    for name in ("latency_ms", "refused_ms", "cores"):
        found[name] = _medians([run[name] for run in runs if run[name]])
    return {**found, "goodputs": [run["goodput"] for run in runs]}


def _arrive(server: Server, requests: Sequence[bytes], due: FloatArray) -> dict[str, Any]:
    """What a run of arrivals measured, and how many cores each process took meanwhile."""
    before, started = server.cpu(), time.monotonic()
    run = open_loop.run(server.port, requests, due, CONNECTIONS)
    spent, after = time.monotonic() - started, server.cpu()
    cores = {name: (cpu - before.get(name, 0.0)) / spent for name, cpu in after.items()}
    return {**_told(run), "cores": {**cores, "client": run.client_cpu / spent}}


def _beside_bulk(server: Server, workload: Workload, folder: Path, seconds: int) -> dict[str, Any]:
    """Single flights alone, and beside one request of 10,000 flights after the other, in rounds."""
    requests = open_loop.http_requests(workload.bodies(), server.port)
    path = storm_bodies(workload, folder, MAX_FLIGHTS)
    each = max(1, round(seconds / ROUNDS))
    due = open_loop.poisson(SINGLES_PER_SECOND, each)
    alone, beside, bulk = [], [], []
    for _ in range(ROUNDS):
        alone.append(open_loop.run(server.port, requests, due, CONNECTIONS))
        with _bulk_stream(server, path, each) as stream:
            beside.append(open_loop.run(server.port, requests, due, CONNECTIONS))
        bulk += stream
        logger.info(
            "single flights: p99 %.2f ms alone, %.2f ms beside bulk",
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
    """Medians of the latencies of all rounds, and how many requests failed in them."""
    latency = _medians([run.latency_ms for run in runs])
    return {"latency_ms": latency, "failed": sum(run.failed for run in runs)}


def _medians(told: Sequence[dict[str, float]]) -> dict[str, float]:
    """Medians of figures of the same names; none where nothing was told."""
    names = told[0] if told else ()
    return {name: float(np.median([each[name] for each in told])) for name in names}


def storm_bodies(workload: Workload, folder: Path, size: int = FLIGHTS) -> Path:
    """Write the workload's flights as bodies of so many; returns the file."""
    flights = [flight for body in workload.bodies() for flight in json.loads(body)["flights"]]
    path = folder / f"bodies-{size}.jsonl"
    path.write_text("".join(f"{body}\n" for body in bodies(flights, size)))
    return path


@contextmanager
def _bulk_stream(server: Server, path: Path, seconds: int) -> Iterator[list[wrk.Run]]:
    """Keep sending bulk requests for as long as the block lasts; its result is there after it."""
    found: list[wrk.Run] = []

    def send() -> None:
        run = wrk.run(server.url, path, connections=BULK_CONNECTIONS, seconds=seconds)
        found.append(run)

    thread = threading.Thread(target=send)
    thread.start()
    yield found
    thread.join()


def _told(run: OpenRun) -> dict[str, Any]:
    told = run.to_json()
    spread = run.arrivals / run.rate
    return {**told, "goodput": (run.arrivals - run.failed) / spread}


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
