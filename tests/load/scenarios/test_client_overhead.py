"""The client's overhead is measured on the same flights, and never on wrong answers."""

from __future__ import annotations

import json
import logging

import pandas as pd
import pytest

from load.scenarios import client_overhead
from load.tools.payloads import distinct_flights
from tests.client.faults import FaultServer, answer, reply

COUNT = 25


@pytest.fixture
def flights() -> pd.DataFrame:
    """Flights whose numbers tell them apart."""
    return pd.DataFrame(
        {
            "airline": "LAN",
            "flight_number": [str(number) for number in range(COUNT)],
            "destination": "SCFA",
            "scheduled_departure": pd.Timestamp("2017-07-14T08:30"),
            "flight_type": "N",
        }
    )


def test_prepared_payloads_hold_every_row_in_order(flights: pd.DataFrame) -> None:
    """The last payload holds the remaining rows."""
    parts = [json.loads(text)["flights"] for text in client_overhead.bulk_payloads(flights, 10)]
    assert [len(part) for part in parts] == [10, 10, 5]
    numbers = [flight["flight_number"] for part in parts for flight in part]
    assert numbers == flights["flight_number"].tolist()


def test_both_measurements_are_printed(
    flights: pd.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    """Each kind of call, each frame, and how they compare."""
    caplog.set_level(logging.INFO, logger="load")
    with FaultServer([answer]) as server:
        client_overhead.per_call(server.url, distinct_flights(flights, 5), rounds=2)
        client_overhead.per_frame(server.url, flights, size=10, rounds=2)
    for words in ("plain httpx, us", "client, us", "ratio", "predict_frame, flights/s", "share"):
        assert words in caplog.text


def test_different_answers_are_no_measurement(flights: pd.DataFrame) -> None:
    """Where both ways are not answered alike nothing is printed."""
    bodies = [
        json.dumps(
            {
                "model": "m",
                "predictions": [
                    {"probability": share, "delayed": False, "risk": "low", "unknown": []}
                ],
            }
        ).encode()
        for share in (0.1, 0.2, 0.3, 0.4)
    ]
    acts = [reply(200, body) for body in bodies]
    with FaultServer(acts) as server, pytest.raises(RuntimeError, match="different answers"):
        client_overhead.per_call(server.url, distinct_flights(flights, 1), rounds=1)
