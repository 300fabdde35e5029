"""The two engines other than the default: no batching, and BentoML's own."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial

import numpy as np

from data.flights import Flights
from model.inference.calibration import Calibration
from model.inference.predictor import Predictor
from serving.batching import engines
from serving.batching.engines import (
    BentoBatcher,
    Unbatched,
    from_rows,
    score_batch,
    score_rows,
    to_rows,
)


def test_without_batching_a_bulk_request_delays_no_single_one(
    predictor: Predictor, flights: Flights, expected: np.ndarray
) -> None:
    """The unbatched engine scores a bulk request in slices, and other requests in between."""

    async def run() -> list[str]:
        engine = Unbatched(partial(score_batch, predictor), max_batch=64)
        order: list[str] = []

        async def request(name: str, part: Flights) -> None:
            scores = await engine.score(part)
            order.append(name)
            assert np.abs(np.array(scores) - expected[: len(part)]).max() < 1e-12

        await asyncio.gather(request("bulk", flights), request("single", flights.slice(0, 1)))
        return order

    assert asyncio.run(run()) == ["single", "bulk"]


def test_bentoml_gets_the_flights_and_the_model(flights: Flights) -> None:
    """The rows that the batchable method receives hold the flights that were sent, and the tag."""
    received: list[list[engines.Row]] = []

    async def call(rows: list[engines.Row]) -> list[float]:
        received.append(rows)
        return [0.5] * len(rows)

    assert asyncio.run(BentoBatcher(call, "m:1").score(flights)) == [0.5] * 1000
    [rows] = received
    assert {row[-1] for row in rows} == {"m:1"}
    found = from_rows([row[:-1] for row in rows])
    assert np.array_equal(found.departure, flights.departure)
    assert to_rows(found) == to_rows(flights)


def test_rows_of_two_models_are_scored_by_their_own(
    predictor: Predictor, flights: Flights, expected: np.ndarray
) -> None:
    """In one batch of BentoML's, each row gets the score of the model that it names, in order."""
    other = replace(predictor, calibration=Calibration(1.0, predictor.calibration.intercept + 1.0))
    tags = [("m:1", "m:2")[position % 3 == 0] for position in range(len(flights))]
    rows = [[*row, tag] for row, tag in zip(to_rows(flights), tags, strict=True)]
    scores = score_rows({"m:1": predictor, "m:2": other}, rows)
    wanted = np.where(np.array(tags) == "m:1", expected, other.score(flights))
    assert np.abs(np.array(scores) - wanted).max() < 1e-12
