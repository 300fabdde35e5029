"""The bento: built by `bentoml build`, served from the store, it answers as the folder does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from data.flights import Flights
from model.inference.bundle import Bundle
from serving.contract.decoding import to_flights
from serving.contract.schema import Flight
from tests.support.server import PROJECT, running_server

EXAMPLE = json.loads((PROJECT / "tests" / "request.json").read_text())


@pytest.mark.server
def test_the_bento_answers_like_the_folder(registered: str, bundle: Bundle, tmp_path: Path) -> None:
    """Everything that the service needs is packed: code, model, page and locks."""
    build = subprocess.run(
        [sys.executable, "-m", "bentoml", "build", "--output", "tag"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert build.returncode == 0, build.stderr
    tag = build.stdout.strip().removeprefix("__tag__:")
    flights: Flights = to_flights([Flight.model_validate(EXAMPLE["flights"][0])])
    with running_server(tmp_path / "log", folder=tmp_path, target=tag) as server:
        answer = httpx.post(f"{server.url}/predict_delay", json=EXAMPLE).json()
        assert answer["model"] == registered
        expected = bundle.predictor.predict(flights).probability[0]
        assert abs(answer["predictions"][0]["probability"] - expected) < 1e-9
        for path in ("/", "/docs", "/page/app.js", "/openapi.json"):
            assert httpx.get(server.url + path).status_code == 200
