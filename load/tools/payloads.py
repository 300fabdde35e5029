"""Make request payloads: distinct flights in random order, in files with one payload per line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from data.load import Dataset
from data.schema import SCHEDULE_COLUMNS

LEAST_FLIGHTS = 20_000
MOST_FLIGHTS = 24_000
"""More would only grow the load generator's memory: no answer is cached between them."""
FLIGHTS_PER_REQUEST = (1, 100, 1000)
SEED = 20170714

Flight = dict[str, Any]


@dataclass(frozen=True)
class Workload:
    """Payloads of requests, and the origin of their flights.

    Attributes
    ----------
    origin
        Source of the flights, as one phrase.
    flights
        Number of distinct flights.
    files
        For each number of flights per request, the file with one payload per line.
    """

    origin: str
    is_sample: bool
    flights: int
    files: dict[int, Path]

    def payloads(self, flights_per_request: int = 1) -> list[bytes]:
        """Return all payloads with that many flights."""
        return self.files[flights_per_request].read_bytes().splitlines()

    def to_json(self) -> dict[str, Any]:
        """Return the origin and number of the flights."""
        return {"origin": self.origin, "is_sample": self.is_sample, "flights": self.flights}

    def write(self, folder: Path, size: int) -> Path:
        """Write the flights as payloads of another size, and return the file."""
        flights = [flight for line in self.payloads() for flight in json.loads(line)["flights"]]
        return write_payloads(folder, flights, size)


def make_workload(dataset: Dataset, folder: Path) -> Workload:
    """Write the payloads of every size into an existing folder.

    Raises
    ------
    ValueError
        If the dataset has fewer than `LEAST_FLIGHTS` distinct flights: a service could answer
        them from a cache.
    """
    flights = distinct_flights(dataset.frame, MOST_FLIGHTS)
    if len(flights) < LEAST_FLIGHTS:
        message = f"{len(flights)} distinct flights are too few: {LEAST_FLIGHTS} are needed"
        raise ValueError(message)
    files = {size: write_payloads(folder, flights, size) for size in FLIGHTS_PER_REQUEST}
    return Workload(dataset.origin, dataset.is_sample, len(flights), files)


def distinct_flights(frame: pd.DataFrame, most: int, seed: int = SEED) -> list[Flight]:
    """Return up to `most` flights as the contract writes them, no two alike, in random order."""
    schedule = frame[list(SCHEDULE_COLUMNS)].drop_duplicates()
    chosen = schedule.sample(n=min(most, len(schedule)), random_state=seed)
    departures = chosen["scheduled_departure"].dt.strftime("%Y-%m-%dT%H:%M:%S")
    records: list[Flight] = chosen.assign(scheduled_departure=departures).to_dict("records")  # type: ignore[assignment] # the columns have text names
    return records


def write_payloads(folder: Path, flights: Sequence[Flight], size: int) -> Path:
    """Write payloads of `size` flights each, one per line, and return the file."""
    path = folder / f"payloads-{size}.jsonl"
    path.write_text("".join(f"{payload}\n" for payload in payloads(flights, size)))
    return path


def payloads(flights: Sequence[Flight], size: int) -> Iterator[str]:
    """Yield payloads of `size` flights each; a last, smaller one is left out."""
    for start in range(0, len(flights) - size + 1, size):
        yield json.dumps({"flights": flights[start : start + size]}, separators=(",", ":"))
