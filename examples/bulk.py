"""Score many flights with a progress bar, and continue after a network failure.

python examples/bulk.py                    a made-up season
python examples/bulk.py flights.csv        a file; the command line does it too:
scl-delay score flights.csv -o scored.csv
"""

from __future__ import annotations

import csv
import os
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from scl_delay import DelayClient, IncompleteError, Prediction

URL = os.environ.get("SCL_DELAY_URL", "http://localhost:3000")
ATTEMPTS = 3


def season(days: int = 90) -> Iterator[dict[str, Any]]:
    """Yield the flights of a season: they need not all be in memory."""
    first = datetime(2017, 7, 1, 6, 0)  # noqa: DTZ001 - Santiago's wall clock
    for day in range(days):
        for number in range(40):
            yield {
                "airline": ("LAN", "SKU", "JAT", "AAL")[number % 4],
                "flight_number": str(100 + number),
                "destination": ("SCFA", "SCTE", "SCIE", "KMIA")[number % 4],
                "scheduled_departure": first + timedelta(days=day, minutes=25 * number),
            }


def from_file(path: str) -> Iterator[dict[str, Any]]:
    """Yield the flights of a CSV file with the contract's column names."""
    with open(path, newline="", encoding="utf-8") as file:  # noqa: PTH123 - a script
        yield from csv.DictReader(file)


def score(client: DelayClient, flights: Any) -> list[Prediction]:
    """Score all flights; after a network failure, continue with those that remain."""
    done: list[Prediction] = []
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return done + client.predict_many(flights, progress=True)
        except IncompleteError as stopped:
            print(stopped, file=sys.stderr)
            if attempt == ATTEMPTS:
                raise
            done, flights = done + stopped.done, stopped.remaining
    return done


with DelayClient(URL) as client:
    predictions = score(client, from_file(sys.argv[1]) if len(sys.argv) > 1 else season())
risks = Counter(prediction.risk for prediction in predictions)
print(f"{len(predictions):,} flights:", ", ".join(f"{n:,} {risk}" for risk, n in risks.items()))
