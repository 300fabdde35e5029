"""Metrics of the service: counted in this process, flushed to Prometheus' counters."""

from __future__ import annotations

import asyncio
import os
from bisect import bisect_left
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

from serving import logs

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
_SHORT = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
_WAIT = Histogram(
    "flight_delay_wait_seconds",
    "Time that the oldest request of a batch waited for it.",
    buckets=_SHORT,
)
_PREDICT = Histogram(
    "flight_delay_predict_seconds",
    "Time to build the features of a batch and score it.",
    buckets=_SHORT,
)
_REFUSALS = Counter(
    "flight_delay_refusals", "Requests that got a problem document, by its kind.", ["reason"]
)
_UNKNOWN = Counter(
    "flight_delay_unknown",
    "Flights whose airline or destination training never saw, by the field.",
    ["field"],
)
_QUEUE = Gauge(
    "flight_delay_queue_flights",
    "Flights accepted and not scored yet, at the last second.",
    multiprocess_mode="livesum",
)
_MODEL = Gauge(
    "flight_delay_model_info",
    "Workers that serve a model; more than one model for long means a roll-over that stuck.",
    ["model"],
    multiprocess_mode="livesum",
)
rollovers = Counter("flight_delay_rollovers", "Attempts to put another model in place.", ["result"])
connections_closed = Counter(
    "flight_delay_connections_closed",
    "Connections closed for want of room: idle ones, new ones at the limit, or without files.",
    ["reason"],
)
predictions_logged = Counter("flight_delay_predictions_logged", "Predictions kept by the log.")
predictions_dropped = Counter(
    "flight_delay_predictions_dropped", "Predictions that the log could not keep.", ["reason"]
)
_LOG_LINES_DROPPED = Counter(
    "flight_delay_log_lines_dropped", "Log lines that standard output did not take in time."
)

FIELDS = ("airline", "destination")
STATUSES = (200, 400, 413, 415, 422, 500, 503, 504)


class Distribution:
    """Buffer of observations, counted by bucket until they are flushed to a histogram."""

    def __init__(self, histogram: Histogram) -> None:
        self._histogram = histogram
        self._bounds = histogram._upper_bounds  # noqa: SLF001 - `Histogram.observe` reads the same attribute
        self._counts = [0] * len(self._bounds)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count one observation."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def flush(self) -> None:
        """Add the buffered observations to the histogram.

        `Histogram.observe` adds one at a time; this adds all of a bucket in one step.
        """
        for bucket, count in enumerate(self._counts):
            if count:
                self._histogram._buckets[bucket].inc(count)  # noqa: SLF001 - see above
                self._counts[bucket] = 0
        self._histogram._sum.inc(self._sum)  # noqa: SLF001 - see above
        self._sum = 0.0


class MetricsBuffer:
    """Buffer that counts in plain integers and adds them to Prometheus' counters when flushed.

    A counter that is shared between processes costs a system call and a write to mapped memory,
    which is too slow for several counters per request. The buffer is flushed when the metrics are
    read and every second: counts that another worker reads are at most a second old.

    Attributes
    ----------
    queue
        Returns the number of accepted flights that are not scored yet.
    """

    def __init__(self) -> None:
        self._requests = dict.fromkeys(STATUSES, 0)
        self._flights = 0
        self._seconds = Distribution(_SECONDS)
        self.batch_flights = Distribution(_BATCH)
        self.wait_seconds = Distribution(_WAIT)
        self.predict_seconds = Distribution(_PREDICT)
        self._reasons: dict[str, int] = {}
        self._unknown = dict.fromkeys(FIELDS, 0)
        self.queue: Callable[[], int] = int
        self._dropped = 0
        self._log_lines_dropped = 0

    def answered(self, flights: int, seconds: float) -> None:
        """Count a request that was answered with predictions."""
        self._requests[200] += 1
        self._flights += flights
        self._seconds.observe(seconds)

    def refused(self, status: int) -> None:
        """Count a request that got a problem document."""
        self._requests[status] = self._requests.get(status, 0) + 1

    def refused_for(self, reason: str) -> None:
        """Count a problem document by its kind, such as ``overloaded``."""
        self._reasons[reason] = self._reasons.get(reason, 0) + 1

    def unknown(self, field: str) -> None:
        """Count a flight whose airline or destination, as `field` says, training never saw."""
        self._unknown[field] += 1

    def dropped(self, flights: int) -> None:
        """Count predictions that were dropped because the log's buffer was full."""
        self._dropped += flights

    def flush(self) -> None:
        """Add the buffered counts to Prometheus' counters."""
        for status, count in self._requests.items():
            if count:
                _REQUESTS.labels(str(status)).inc(count)
                self._requests[status] = 0
        for reason, count in self._reasons.items():
            _REFUSALS.labels(reason).inc(count)
        self._reasons.clear()
        for field, count in self._unknown.items():
            _UNKNOWN.labels(field).inc(count)
            self._unknown[field] = 0
        _FLIGHTS.inc(self._flights)
        self._flights = 0
        _QUEUE.set(self.queue())
        for each in (self._seconds, self.batch_flights, self.wait_seconds, self.predict_seconds):
            each.flush()
        if self._dropped:
            predictions_dropped.labels("full").inc(self._dropped)
            self._dropped = 0
        lines = logs.dropped_lines()
        _LOG_LINES_DROPPED.inc(lines - self._log_lines_dropped)
        self._log_lines_dropped = lines


FLUSH_SECONDS = 1.0
buffer = MetricsBuffer()


def flush_every_second() -> None:
    """Flush now, and again every second while the event loop runs."""
    buffer.flush()
    asyncio.get_running_loop().call_later(FLUSH_SECONDS, flush_every_second)


def serving_model(tag: str) -> None:
    """Set the gauge of the model that this worker serves to 1, and those of others to 0."""
    for (before,) in list(_MODEL._metrics):  # noqa: SLF001 - no public way to list the labels
        _MODEL.labels(before).set(0)
    _MODEL.labels(tag).set(1)


def _forget_dead_workers(folder: str) -> None:
    """Remove the gauge files of workers that have ended; they would still be added up."""
    for path in Path(folder).glob("gauge_live*_*.db"):
        pid = path.stem.rpartition("_")[2]
        if pid.isdecimal() and not Path(f"/proc/{pid}").exists():
            with suppress(FileNotFoundError):  # another worker removed it first
                path.unlink()


def exposition() -> bytes:
    """Return all metrics in Prometheus' text format, summed over the worker processes."""
    buffer.flush()
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if folder is None:
        return generate_latest(REGISTRY)
    _forget_dead_workers(folder)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call] # ships no type
    return generate_latest(registry)
