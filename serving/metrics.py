"""The service's own metrics, counted cheaply and read by Prometheus."""

from __future__ import annotations

import asyncio
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
predictions_logged = Counter("flight_delay_predictions_logged", "Predictions kept by the log.")
predictions_dropped = Counter(
    "flight_delay_predictions_dropped", "Predictions that the log could not keep.", ["reason"]
)

STATUSES = (200, 400, 413, 415, 422, 500, 503)
batch_flights = _BATCH
request_seconds = _SECONDS


class Tally:
    """Counts in plain integers and hands them to Prometheus once in a while.

    A counter that is shared between processes costs a system call and a write to mapped memory;
    several of them per request are felt. What is pending is handed over when the metrics are
    read, and every second, so that what another worker exposes is at most that old.
    """

    def __init__(self) -> None:
        self._requests = dict.fromkeys(STATUSES, 0)
        self._flights = 0
        self._dropped = 0

    def answered(self, flights: int) -> None:
        """Count a request that was answered with predictions."""
        self._requests[200] += 1
        self._flights += flights

    def refused(self, status: int) -> None:
        """Count a request that got a problem document."""
        self._requests[status] = self._requests.get(status, 0) + 1

    def dropped(self, flights: int) -> None:
        """Count predictions that found the log's buffer full."""
        self._dropped += flights

    def hand_over(self) -> None:
        """Add what is pending to Prometheus' counters."""
        for status, count in self._requests.items():
            if count:
                _REQUESTS.labels(str(status)).inc(count)
                self._requests[status] = 0
        _FLIGHTS.inc(self._flights)
        self._flights = 0
        if self._dropped:
            predictions_dropped.labels("full").inc(self._dropped)
            self._dropped = 0


HAND_OVER_SECONDS = 1.0
tally = Tally()


def keep_handing_over() -> None:
    """Hand over now, and again every second for as long as the running event loop lives."""
    tally.hand_over()
    asyncio.get_running_loop().call_later(HAND_OVER_SECONDS, keep_handing_over)


def exposition() -> bytes:
    """Return all metrics in Prometheus' text format, summed over the worker processes."""
    tally.hand_over()
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call] # ships no type
    return generate_latest(registry)
