"""Measure the service under load and write the report: `make load`."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from data.flights import Flights
from load.reports import report
from load.tools import measure, wrk
from load.tools.payloads import Workload
from load.tools.server_process import Server
from load.tools.setup import Setup
from load.tools.stats import summary
from serving.contract.decoding import to_flights
from serving.contract.schema import PredictionRequest
from serving.settings import Batching

logger = logging.getLogger("load")

OPEN_SHARES = (0.25, 0.5, 0.75)
SHARE_OF = 64
"""Connections of the closed-loop run whose rate the open-loop rates are shares of."""
BULK_CLOSED = (64, 100)
"""Connections, and flights per request, of the second part of the closed loop."""
ENGINE_CONNECTIONS = (1, 64)


@dataclass(frozen=True)
class Plan:
    """Durations in seconds, and number of rounds."""

    connections: tuple[int, ...]
    seconds: int
    open_seconds: int
    round_seconds: int
    burst_seconds: int
    rounds: int
    batching: str


def main(
    seconds: Annotated[int, typer.Option(help="Of each run of wrk.", min=1)] = 45,
    connections: Annotated[str, typer.Option(help="Comma-separated.")] = "1,64,256,400",
    batching: Annotated[Batching, typer.Option(help="Engine to measure.")] = Batching.INLINE,
    rounds: Annotated[int, typer.Option(help="Of every comparison.", min=1)] = 5,
    quick: Annotated[bool, typer.Option(help="Two seconds each; leaves docs/ alone.")] = False,
    reports: Annotated[Path, typer.Option(help="Folder for load.json, load.html.")] = Path(
        "reports"
    ),
) -> None:
    """Measure the service under load and write load.json, load.html and docs/load.md."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    counts = tuple(int(each) for each in connections.split(","))
    plan = Plan(counts, seconds, min(seconds, 20), 5, 10, rounds, batching.value)
    if quick:
        plan = Plan(counts, 2, 2, 1, 1, 1, batching.value)
    wrk.install()
    with tempfile.TemporaryDirectory(prefix="flight-delay-load-") as folder:
        result = measure_all(plan, Path(folder))
    report.save(result, report.LOAD_TABLE, reports, docs=not quick)


def measure_all(plan: Plan, folder: Path) -> dict[str, Any]:
    """Carry out the plan, with temporary files in a folder."""
    setup = Setup.make(folder)
    logger.info("%s flights from %s", f"{setup.workload.flights:,}", setup.workload.origin)
    result = {**setup.header("load.scenarios.steady"), "plan": asdict(plan)}
    result |= _one_engine(plan, setup)
    result["engines"] = _engines(plan, setup)
    result["burst"] = _bursts(plan, setup)
    return result


def _one_engine(plan: Plan, setup: Setup) -> dict[str, Any]:
    """Measure the chosen engine alone."""
    workload = setup.workload
    with setup.serve(plan.batching) as server:
        closed = list(_closed(plan, server, workload))
        by_connections = {run["connections"]: run["rate"] for run in closed[:-1]}
        # the largest rate, if that number of connections was not measured
        full = by_connections.get(SHARE_OF, max(by_connections.values()))
        return {
            "start_seconds": server.start_seconds,
            "closed": closed,
            "full_rate": full,
            "open": list(_open(plan, server, workload, full)),
            "bulk": _bulk(plan, server, setup),
            "memory_mb": server.memory_mb(),
        }


def _closed(plan: Plan, server: Server, workload: Workload) -> Iterator[dict[str, Any]]:
    runs = [(connections, 1) for connections in plan.connections]
    for connections, flights in [*runs, BULK_CLOSED]:
        run = measure.closed_loop(server, workload, connections, plan.seconds, flights)
        logger.info(
            "%4d connections, %3d flights each: %8.0f requests/s  p50 %7.2f ms  p99 %8.2f ms"
            "  %d failed",
            *(connections, flights, run["rate"]),
            *(run["latency_ms"]["p50"], run["latency_ms"]["p99"], run["failed"]),
        )
        yield run


def _open(plan: Plan, server: Server, workload: Workload, full: float) -> Iterator[dict[str, Any]]:
    for share in OPEN_SHARES:
        run = measure.open_loop(server, workload, share * full, plan.open_seconds)
        logger.info(
            "open loop, %3.0f %% of the rate: %8.0f requests/s  p50 %7.2f ms  p99 %8.2f ms"
            "  %d failed",
            *(100 * share, run["rate"], run["latency_ms"]["p50"], run["latency_ms"]["p99"]),
            run["failed"],
        )
        yield {"share": share, **run}


def _bulk(plan: Plan, server: Server, setup: Setup) -> dict[str, Any]:
    flights = _flights(setup.workload)
    rounds = [
        measure.bulk(server, setup.workload, setup.predictor, flights, plan.round_seconds)
        for _ in range(plan.rounds)
    ]
    found = _summaries(rounds)
    logger.info(
        "requests of 1,000: %.0f flights/s, %.2f of the Booster alone",
        *(found["served"]["median"], found["ratio"]["median"]),
    )
    return found


def _engines(plan: Plan, setup: Setup) -> list[dict[str, Any]]:
    """Measure the three batching engines side by side, in rounds that alternate between them."""
    cases = [(engine.value, count) for engine in Batching for count in ENGINE_CONNECTIONS]
    rounds: dict[tuple[str, int], list[dict[str, float]]] = {case: [] for case in cases}
    with ExitStack() as stack:
        servers = {engine.value: stack.enter_context(setup.serve(engine)) for engine in Batching}
        for number in range(plan.rounds):
            for engine, count in cases if number % 2 else cases[::-1]:
                file = setup.workload.files[1]
                run = measure.short_round(servers[engine], file, count, plan.round_seconds)
                rounds[engine, count].append(run)
    found = [
        {"engine": engine, "connections": count, **_summaries(rounds[engine, count])}
        for engine, count in cases
    ]
    for each in found:
        logger.info(
            "%-8s %3d connections: %8.0f requests/s",
            *(each["engine"], each["connections"], each["rate"]["median"]),
        )
    return found


def _bursts(plan: Plan, setup: Setup) -> list[dict[str, Any]]:
    """Measure how each engine recovers from a burst, in a new process each time."""
    rounds: dict[str, list[dict[str, float]]] = {engine.value: [] for engine in Batching}
    for _ in range(plan.rounds):
        for engine, found in rounds.items():
            with setup.serve(engine) as server:
                found.append(measure.after_burst(server, setup.workload, plan.burst_seconds))
    return [{"engine": engine, **_summaries(found)} for engine, found in rounds.items()]


def _summaries(rounds: list[dict[str, float]]) -> dict[str, Any]:
    return {name: summary([each[name] for each in rounds]) for name in rounds[0]}


def _flights(workload: Workload) -> Flights:
    """Return the flights of one large request as input of the model."""
    payload = workload.payloads(measure.BULK_FLIGHTS)[0]
    return to_flights(PredictionRequest.model_validate_json(payload).flights)


if __name__ == "__main__":
    typer.run(main)
