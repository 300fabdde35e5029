# its packages are installed in an environment of its own
# mypy: disable-error-code="import-not-found, misc"
"""LitServe with its defaults: one worker process behind its API process.

LitServe evaluates the annotations of the methods, so they are not postponed here.
"""

import os
from typing import Any

import litserve as ls

from load.baselines.servers.shared import Scorer
from serving.contract.schema import Flight, PredictionRequest


class FlightDelay(ls.LitAPI):
    """LitServe API that scores the flights of a request."""

    def setup(self, device: str) -> None:
        """Load the model in the worker."""
        del device
        self.scorer = Scorer()

    def decode_request(self, request: PredictionRequest) -> list[Flight]:
        """Return the flights, which LitServe has validated."""
        return request.flights

    def predict(self, x: list[Flight]) -> list[dict[str, Any]]:
        """Score the flights."""
        return self.scorer.predict(x)

    def encode_response(self, output: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the answer in the format of the contract."""
        return {"model": "baseline", "predictions": output}


if __name__ == "__main__":
    ls.LitServer(
        FlightDelay(api_path="/predict_delay"), accelerator="cpu", workers_per_device=1
    ).run(
        host="127.0.0.1",
        port=int(os.environ["BASELINE_PORT"]),
        num_api_servers=1,
        generate_client_file=False,
        log_level="warning",
        access_log=False,
    )
