"""The two engines beside the default: none, and BentoML's own."""

from __future__ import annotations

import asyncio

import numpy as np

from data.flights import Flights
from model.inference.predictor import Predictor
from serving.batching import engines
from serving.batching.engines import BentoBatcher, Unbatched, from_rows, to_rows


def test_without_batching_others_get_their_turn(
    predictor: Predictor, flights: Flights, expected: np.ndarray
) -> None:
    """The unbatched engine scores a bulk request in slices, with others in between."""

    async def run() -> list[str]:
        engine = Unbatched(predictor, max_batch=64)
        order: list[str] = []

        async def request(name: str, part: Flights) -> None:
            scores = await engine.score(part)
            order.append(name)
            assert np.abs(np.array(scores) - expected[: len(part)]).max() < 1e-12

        await asyncio.gather(request("bulk", flights), request("single", flights.slice(0, 1)))
        return order

    assert asyncio.run(run()) == ["single", "bulk"]


def test_rows_carry_flights_to_bentoml_and_back(flights: Flights, predictor: Predictor) -> None:
    """What the batchable method receives are the flights that were sent."""
    received: list[Flights] = []

    async def call(rows: list[engines.Row]) -> list[float]:
        received.append(from_rows(rows))
        return [0.5] * len(rows)

    assert asyncio.run(BentoBatcher(call).score(flights)) == [0.5] * 1000
    assert np.array_equal(received[0].departure, flights.departure)
    assert to_rows(received[0]) == to_rows(flights)
