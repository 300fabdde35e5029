# its packages are installed in an environment of its own
# mypy: disable-error-code="import-not-found, untyped-decorator, attr-defined"
"""Ray Serve with one batching replica behind Ray's HTTP proxy."""

from __future__ import annotations

import os
from typing import Any

import ray
from ray import serve
from ray.serve.config import HTTPOptions
from starlette.requests import Request

from load.baselines.servers.shared import Scorer
from serving.contract.schema import Flight, PredictionRequest


@serve.deployment(num_replicas=1, max_ongoing_requests=1000)
class FlightDelay:
    """Deployment that scores flights of many requests at once."""

    def __init__(self) -> None:
        self.scorer = Scorer()

    @serve.batch(max_batch_size=64, batch_wait_timeout_s=0.005)
    async def score(self, requests: list[list[Flight]]) -> list[list[dict[str, Any]]]:
        """Score the flights of all requests, and return those of each request."""
        scored = iter(self.scorer.predict([flight for flights in requests for flight in flights]))
        return [[next(scored) for _ in flights] for flights in requests]

    async def __call__(self, request: Request) -> dict[str, Any]:
        """Validate, score and answer a request."""
        flights = PredictionRequest.model_validate_json(await request.body()).flights
        return {"model": "baseline", "predictions": await self.score(flights)}


if __name__ == "__main__":
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        _node_ip_address="127.0.0.1",
        object_store_memory=100_000_000,
        log_to_driver=False,
    )
    serve.start(http_options=HTTPOptions(host="127.0.0.1", port=int(os.environ["BASELINE_PORT"])))
    serve.run(FlightDelay.bind(), route_prefix="/predict_delay", blocking=True)
