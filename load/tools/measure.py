"""Measure a running server with a workload; each function returns plain figures."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np

from data.flights import Flights
from load.tools import open_loop as openloop
from load.tools import wrk
from load.tools.metrics_text import Batches
from load.tools.payloads import Workload
from load.tools.server_process import Server
from load.tools.stats import percentiles
from model.inference.predictor import Predictor

BURST_CONNECTIONS = 64
BULK_CONNECTIONS = 4
BULK_FLIGHTS = 1000
WARM_UP_CALLS = 200
MEASURED_CALLS = 500
REST_SECONDS = 1.0
MOST_SEQUENTIAL_SECONDS = 20.0


def closed_loop(
    server: Server, workload: Workload, connections: int, seconds: int, flights: int = 1
) -> dict[str, Any]:
    """Run wrk; return its figures, cores used by each process, memory and batch sizes."""
    batches, cpu = Batches.read(server.port), server.cpu()
    run = wrk.run(server.url, workload.files[flights], connections=connections, seconds=seconds)
    used = cores_used(cpu, server.cpu(), run.seconds)
    return {
        "connections": connections,
        "flights_per_request": flights,
        **run.to_json(),
        "cores": {**used, "wrk": run.client_cpu / run.seconds},
        "memory_mb": server.memory_mb(),
        "batches": Batches.read(server.port).since(batches),
    }


def cores_used(
    before: Mapping[str, float], after: Mapping[str, float], seconds: float
) -> dict[str, float]:
    """Return the cores that each process kept busy, from processor seconds before and after."""
    return {name: (cpu - before.get(name, 0.0)) / seconds for name, cpu in after.items()}


def open_loop(
    server: Server, workload: Workload, rate: float, seconds: float, seed: int = 0
) -> dict[str, Any]:
    """Send requests at the times of a Poisson process of this rate."""
    requests = openloop.http_requests(workload.payloads(), server.port)
    due = openloop.poisson(rate, seconds, seed)
    return openloop.run(server.port, requests, due).to_json()


def after_burst(server: Server, workload: Workload, burst_seconds: int) -> dict[str, Any]:
    """Return the p50 of sequential calls before a burst and soon after it, in milliseconds."""
    requests = openloop.http_requests(workload.payloads(), server.port)
    before = _sequential_p50(server, requests)
    burst = wrk.run(
        server.url, workload.files[1], connections=BURST_CONNECTIONS, seconds=burst_seconds
    )
    time.sleep(REST_SECONDS)
    after = _sequential_p50(server, requests)
    return {
        "before_ms": before,
        "after_ms": after,
        "ratio": after / before,
        "failed": burst.failed,
    }


def bulk(
    server: Server, workload: Workload, predictor: Predictor, flights: Flights, seconds: int
) -> dict[str, float]:
    """Return flights per second in large requests, and of the Booster alone on the same matrix."""
    run = wrk.run(
        server.url,
        workload.files[BULK_FLIGHTS],
        connections=BULK_CONNECTIONS,
        seconds=seconds,
    )
    alone = booster_alone(predictor, flights, seconds)
    served = run.rate * BULK_FLIGHTS
    return {"served": served, "alone": alone, "ratio": served / alone, "failed": run.failed}


def booster_alone(predictor: Predictor, flights: Flights, seconds: float) -> float:
    """Return rows per second of LightGBM's own prediction on one matrix, with one thread."""
    booster = lgb.Booster(model_str=predictor.booster.text)
    matrix = np.ascontiguousarray(predictor.builder.transform(flights))
    started, calls, elapsed = time.perf_counter(), 0, 0.0
    while not calls or elapsed < seconds:
        booster.predict(matrix, raw_score=True, num_threads=1)
        calls += 1
        elapsed = time.perf_counter() - started
    return calls * len(matrix) / elapsed


def short_round(
    server: Server, payloads: Path, connections: int, seconds: int, path: str = wrk.PREDICT_PATH
) -> dict[str, float]:
    """Run wrk for a comparison; `client_cores` near 1 means that wrk limited the rate."""
    run = wrk.run(server.url, payloads, connections=connections, seconds=seconds, path=path)
    return {
        "rate": run.rate,
        "p50_ms": run.latency_ms["p50"],
        "p99_ms": run.latency_ms["p99"],
        "failed": run.failed,
        "client_cores": run.client_cpu / run.seconds,
    }


def _sequential_p50(server: Server, requests: list[bytes]) -> float:
    openloop.sequential(server.port, requests, WARM_UP_CALLS, MOST_SEQUENTIAL_SECONDS)
    latencies = openloop.sequential(server.port, requests, MEASURED_CALLS, MOST_SEQUENTIAL_SECONDS)
    return percentiles(latencies)["p50"]
