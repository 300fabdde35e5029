"""The service's own metrics, with every label looked up once instead of per request."""

from __future__ import annotations

import os

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    multiprocess,
)

CONTENT_TYPE = CONTENT_TYPE_LATEST.encode()

_REQUESTS = Counter("flight_delay_requests", "Prediction requests by HTTP status.", ["status"])
_FLIGHTS = Counter("flight_delay_flights", "Flights scored.")
_UNKNOWN = Counter(
    "flight_delay_unknown", "Flights with a value never seen in training.", ["field"]
)
_SECONDS = Histogram(
    "flight_delay_request_seconds",
    "Time from the first byte of a prediction request to its answer.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)
_BATCH = Histogram(
    "flight_delay_batch_flights",
    "Flights scored in one call of the model.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
)

STATUSES = (200, 400, 413, 415, 422, 500, 503)
_BY_STATUS = {status: _REQUESTS.labels(str(status)) for status in STATUSES}
flights_scored = _FLIGHTS
unknown_airline = _UNKNOWN.labels("airline")
unknown_destination = _UNKNOWN.labels("destination")
request_seconds = _SECONDS
batch_flights = _BATCH


def count_request(status: int) -> None:
    """Count one answered prediction request."""
    (_BY_STATUS.get(status) or _REQUESTS.labels(str(status))).inc()


def exposition() -> bytes:
    """Return all metrics in Prometheus' text format, summed over the worker processes."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call] # ships no type
    return generate_latest(registry)
