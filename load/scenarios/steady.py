"""Measure the service under load and write the report: `make load`."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from data.flights import Flights
from data.load import load_flights
from load.reports import report
from load.tools import environment, measure, wrk
from load.tools.payloads import Workload, make_workload
from load.tools.server_process import PROJECT, Probe, Server, service
from load.tools.stats import summary
from model.inference.predictor import Predictor
from serving.contract.decoding import to_flights
from serving.contract.schema import PredictionRequest
from serving.models import store
from serving.settings import Batching, settings

logger = logging.getLogger("load")

OPEN_SHARES = (0.25, 0.5, 0.75)
SHARE_OF = 64
"""Connections of the closed loop whose rate the open loop's rates are shares of."""
BULK_CLOSED = (64, 100)
"""Connections, and flights per request, of the second part of the closed loop."""
ENGINE_CONNECTIONS = (1, 64)


@dataclass(frozen=True)
class Plan:
    """How long and how often everything is measured; times in seconds."""

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
    reports.mkdir(parents=True, exist_ok=True)
    (reports / report.LOAD_JSON).write_text(json.dumps(result, indent=1) + "\n")
    report.write_page(reports, result)
    if not quick:
        report.write_table(PROJECT / "docs", result)


def measure_all(plan: Plan, folder: Path) -> dict[str, Any]:
    """Carry out the plan, with temporary files in a folder."""
    tag, bundle = store.read(settings().model, threads=1)
    workload = make_workload(load_flights(), folder)
    logger.info("%s flights from %s", f"{workload.flights:,}", workload.origin)
    result: dict[str, Any] = {
        **environment.header("load.scenarios.steady", tag, bundle.predictor),
        "workload": {
            "origin": workload.origin,
            "is_sample": workload.is_sample,
            "flights": workload.flights,
        },
        "plan": {**plan.__dict__},
    }
    result |= _one_engine(plan, workload, bundle.predictor, folder)
    result["engines"] = _engines(plan, workload, folder)
    result["burst"] = _bursts(plan, workload, folder)
    return result


def _one_engine(
    plan: Plan, workload: Workload, predictor: Predictor, folder: Path
) -> dict[str, Any]:
    """Measure the chosen engine by itself."""
    with _started(plan.batching, workload, folder) as server:
        closed = list(_closed(plan, server, workload))
        by_connections = {run["connections"]: run["rate"] for run in closed[:-1]}
        # the largest, where nobody asked for that number of connections
        full = by_connections.get(SHARE_OF, max(by_connections.values()))
        return {
            "start_seconds": server.start_seconds,
            "closed": closed,
            "full_rate": full,
            "open": list(_open(plan, server, workload, full)),
            "bulk": _bulk(plan, server, workload, predictor),
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


def _bulk(plan: Plan, server: Server, workload: Workload, predictor: Predictor) -> dict[str, Any]:
    flights = _flights(workload)
    rounds = [
        measure.bulk(server, workload, predictor, flights, plan.round_seconds)
        for _ in range(plan.rounds)
    ]
    found = _summaries(rounds)
    logger.info(
        "requests of 1,000: %.0f flights/s, %.2f of the Booster alone",
        *(found["served"]["median"], found["ratio"]["median"]),
    )
    return found


def _engines(plan: Plan, workload: Workload, folder: Path) -> list[dict[str, Any]]:
    """Measure the three batching engines side by side, in rounds that alternate between them."""
    cases = [(engine.value, count) for engine in Batching for count in ENGINE_CONNECTIONS]
    rounds: dict[tuple[str, int], list[dict[str, float]]] = {case: [] for case in cases}
    with ExitStack() as stack:
        servers = {
            engine.value: stack.enter_context(_started(engine.value, workload, folder))
            for engine in Batching
        }
        for number in range(plan.rounds):
            for engine, count in cases if number % 2 else cases[::-1]:
                rounds[engine, count].append(
                    measure.short_round(
                        servers[engine], workload.files[1], count, plan.round_seconds
                    )
                )
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


def _bursts(plan: Plan, workload: Workload, folder: Path) -> list[dict[str, Any]]:
    """Measure how each engine comes back from a burst, every time in a fresh process."""
    rounds: dict[str, list[dict[str, float]]] = {engine.value: [] for engine in Batching}
    for _ in range(plan.rounds):
        for engine, found in rounds.items():
            with _started(engine, workload, folder) as server:
                found.append(measure.after_burst(server, workload, plan.burst_seconds))
    return [{"engine": engine, **_summaries(found)} for engine, found in rounds.items()]


def _summaries(rounds: list[dict[str, float]]) -> dict[str, Any]:
    return {name: summary([each[name] for each in rounds]) for name in rounds[0]}


def _flights(workload: Workload) -> Flights:
    """Flights of one large request, as the model takes them."""
    body = workload.bodies(measure.BULK_FLIGHTS)[0]
    return to_flights(PredictionRequest.model_validate_json(body).flights)


@contextmanager
def _started(engine: str, workload: Workload, folder: Path) -> Iterator[Server]:
    probe = Probe(wrk.PREDICT_PATH, workload.bodies()[0])
    with service(probe, folder / f"{engine}.log", batching=engine) as server:
        yield server


if __name__ == "__main__":
    typer.run(main)
