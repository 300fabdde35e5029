"""Read the sizes of batches from the service's own metrics."""

from __future__ import annotations

import re
import urllib.request
from dataclasses import dataclass
from typing import Any, Self

from load.tools.server_process import HOST

BATCH = "flight_delay_batch_flights"
_SAMPLE = re.compile(rf'^{BATCH}_(bucket|sum|count)(?:\{{le="([^"]+)"\}})? (\S+)$', re.MULTILINE)


@dataclass(frozen=True)
class Batches:
    """Number of scored batches by size.

    Attributes
    ----------
    up_to
        Number of batches by upper bound of their size, not cumulative.
    count, flights
        Total number of batches and of flights.
    """

    up_to: dict[str, int]
    count: int
    flights: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse Prometheus' text format; all numbers are zero where the metric is missing."""
        cumulative: dict[str, int] = {}
        totals = {"sum": 0, "count": 0}
        for kind, bound, value in _SAMPLE.findall(text):
            if kind == "bucket":
                cumulative[bound] = int(float(value))
            else:
                totals[kind] = int(float(value))
        up_to, before = {}, 0
        for bound in sorted(cumulative, key=float):
            up_to[bound], before = cumulative[bound] - before, cumulative[bound]
        return cls(up_to, totals["count"], totals["sum"])

    @classmethod
    def read(cls, port: int) -> Self:
        """Read them from a running service."""
        with urllib.request.urlopen(f"http://{HOST}:{port}/metrics", timeout=10) as answer:
            return cls.parse(answer.read().decode())

    def since(self, before: Batches) -> dict[str, Any]:
        """Return the difference: batches by size, their count, flights and mean size."""
        count, flights = self.count - before.count, self.flights - before.flights
        return {
            "up_to": {bound: n - before.up_to.get(bound, 0) for bound, n in self.up_to.items()},
            "count": count,
            "flights": flights,
            "mean": flights / count if count else None,
        }
