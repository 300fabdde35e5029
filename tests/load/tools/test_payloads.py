"""Request payloads: valid by the contract, distinct, and the same every time."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pandas as pd
import pytest

from data.load import Dataset
from load.tools.payloads import (
    FLIGHTS_PER_REQUEST,
    LEAST_FLIGHTS,
    Workload,
    distinct_flights,
    make_workload,
    payloads,
)
from serving.contract.schema import PredictionRequest


@pytest.fixture(scope="module")
def workload(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Workload:
    """Return the payloads as a measurement sends them."""
    return make_workload(dataset, tmp_path_factory.mktemp("payloads"))


def test_there_are_enough_distinct_payloads(workload: Workload) -> None:
    """A service gets a payload again only after all others."""
    sent = workload.payloads()
    assert len(sent) == workload.flights >= LEAST_FLIGHTS
    assert len(set(sent)) == len(sent)


@pytest.mark.parametrize("size", FLIGHTS_PER_REQUEST)
def test_every_body_is_valid_and_of_its_size(workload: Workload, size: int) -> None:
    """The schema of the contract accepts them."""
    for body in workload.payloads(size)[:500]:
        assert len(PredictionRequest.model_validate_json(body).flights) == size


def test_every_size_sends_the_same_flights(workload: Workload) -> None:
    """Bulk payloads hold the flights of the single ones, in order."""
    singles = [json.loads(body)["flights"][0] for body in workload.payloads()]
    bulk = [flight for body in workload.payloads(100) for flight in json.loads(body)["flights"]]
    assert bulk == singles[: len(bulk)]


def test_the_order_is_random_and_the_same_every_time(frame: pd.DataFrame) -> None:
    """The seed alone decides on the order."""
    first, again = distinct_flights(frame, 100), distinct_flights(frame, 100)
    assert first == again != distinct_flights(frame, 100, seed=1)
    departures = [flight["scheduled_departure"] for flight in first]
    assert departures != sorted(departures)


def test_a_last_smaller_payload_is_left_out() -> None:
    """Five flights make two requests of two."""
    flights = [{"airline": str(number)} for number in range(5)]
    assert [json.loads(body)["flights"] for body in payloads(flights, 2)] == [
        flights[:2],
        flights[2:4],
    ]


def test_too_few_flights_are_refused(dataset: Dataset, tmp_path: Path) -> None:
    """A small set could be answered from a cache."""
    few = dataclasses.replace(dataset, frame=dataset.frame.head(100))
    with pytest.raises(ValueError, match="too few"):
        make_workload(few, tmp_path)
