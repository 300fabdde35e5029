"""Measure the overhead of the Python client: `make client-overhead`.

Calls of the client and of plain httpx alternate on the same service. Then a frame of all flights is
compared with plain httpx that sends prepared payloads of the same size with the same concurrency.
Both must give the same answers. The scenario prints medians and ranges over rounds.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import httpx
import pandas as pd
import typer

from data.load import load_flights
from data.schema import SCHEDULE_COLUMNS
from load.tools import environment
from load.tools.payloads import distinct_flights, payloads
from load.tools.server_process import PROJECT, Probe, service
from load.tools.stats import summary
from load.tools.wrk import PREDICT_PATH

sys.path.insert(0, str(PROJECT / "client" / "src"))  # where the client is not installed

from scl_delay import DelayClient, Flight
from scl_delay._bulk.batches import CONCURRENCY

logger = logging.getLogger("load")

JSON = {"content-type": "application/json"}
Call = Callable[[Any], float]
"""Function that sends one flight and returns its probability."""


def main(
    rounds: Annotated[int, typer.Option(help="Rounds of each kind, alternating.", min=1)] = 15,
    calls: Annotated[int, typer.Option(help="Sequential calls per round.", min=1)] = 300,
    sizes: Annotated[str, typer.Option(help="Flights per request, for the frame.")] = "1000,5000",
    frames: Annotated[int, typer.Option(help="Rounds with the whole frame.", min=1)] = 5,
) -> None:
    """Measure the client's overhead per call and per frame."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    dataset = load_flights()
    flights = distinct_flights(dataset.frame, calls)
    probe = Probe(PREDICT_PATH, next(payloads(flights, 1)).encode())
    logger.info("%s", environment.facts())
    with (
        tempfile.TemporaryDirectory(prefix="flight-delay-client-") as folder,
        service(probe, Path(folder) / "log") as server,
    ):
        per_call(server.url, flights, rounds)
        for size in map(int, sizes.split(",")):
            per_frame(server.url, dataset.frame[list(SCHEDULE_COLUMNS)], size, frames)


def per_call(url: str, flights: Sequence[dict[str, Any]], rounds: int) -> None:
    """Time single calls alternately, and print the ratio."""
    models = [Flight.model_validate(flight) for flight in flights]
    with httpx.Client() as http, DelayClient(url) as client:

        def plainly(flight: dict[str, Any]) -> float:
            answer = http.post(url + PREDICT_PATH, json={"flights": [flight]})
            return float(answer.raise_for_status().json()["predictions"][0]["probability"])

        def by_client(flight: Flight) -> float:
            return client.predict(flight).probability

        _round(plainly, flights), _round(by_client, models)  # warm up
        pairs = [(_round(plainly, flights), _round(by_client, models)) for _ in range(rounds)]
    for (_, theirs), (_, ours) in pairs:
        if theirs != ours:
            message = (
                "the client and plain httpx got different answers: their speeds cannot be compared"
            )
            raise RuntimeError(message)
    count = len(flights)
    _show("one call, plain httpx, us", [1e6 * plain[0] / count for plain, _ in pairs])
    _show("one call, client, us", [1e6 * client[0] / count for _, client in pairs])
    _show("ratio (target: at most 1.25)", [client[0] / plain[0] for plain, client in pairs])


def per_frame(url: str, frame: pd.DataFrame, size: int, rounds: int) -> None:
    """Time a frame and prepared payloads alternately, and print flights per second."""
    texts = bulk_payloads(frame, size)
    plain, client = [], []
    with httpx.Client(timeout=60) as http, DelayClient(url, timeout=60) as caller:
        for _ in range(rounds):
            plain.append(len(frame) / _bulk(http, url, texts))
            started = time.perf_counter()
            caller.predict_frame(frame, chunk=size)
            client.append(len(frame) / (time.perf_counter() - started))
    _show(f"{len(frame)} flights, {size} a request, plain httpx, flights/s", plain)
    _show(f"{len(frame)} flights, {size} a request, predict_frame, flights/s", client)
    _show("share of the plain speed", [c / p for p, c in zip(plain, client, strict=True)])


def _round(call: Call, flights: Sequence[Any]) -> tuple[float, list[float]]:
    started = time.perf_counter()
    answers = [call(flight) for flight in flights]
    return time.perf_counter() - started, answers


def bulk_payloads(frame: pd.DataFrame, size: int) -> list[bytes]:
    """Return payloads that hold all rows, in order."""
    departures = frame["scheduled_departure"].dt.strftime("%Y-%m-%dT%H:%M:%S")
    rows: list[Any] = frame.assign(scheduled_departure=departures).to_dict("records")
    parts = (rows[start : start + size] for start in range(0, len(rows), size))
    return [next(payloads(part, len(part))).encode() for part in parts]


def _bulk(http: httpx.Client, url: str, texts: Sequence[bytes]) -> float:
    """Return the seconds for all payloads, sent with the client's own concurrency."""

    def send(text: bytes) -> None:
        http.post(url + PREDICT_PATH, content=text, headers=JSON).raise_for_status()

    started = time.perf_counter()
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        list(pool.map(send, texts))
    return time.perf_counter() - started


def _show(name: str, rounds: Sequence[float]) -> None:
    found = summary(rounds)
    logger.info("%-62s %9.2f  (%.2f to %.2f)", name, *(found[k] for k in ("median", "low", "high")))


if __name__ == "__main__":
    typer.run(main)
