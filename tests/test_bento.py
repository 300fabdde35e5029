"""Bento built by `bentoml build`: it holds no training code, and answers as the folder does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import bentoml
import httpx
import pytest

from data.flights import Flights
from model.inference.bundle import Bundle
from serving.contract.decoding import to_flights
from serving.contract.schema import Flight
from tests.support.server import PROJECT, running_server

EXAMPLE = json.loads((PROJECT / "tests" / "request.json").read_text())


TRAINING = (
    *("train.py", "load", "monitor", "score", "deploy/steps", "tests", "features/two_sided"),
    *(f"model/{name}" for name in ("training", "evaluation", "reports", "tuning", "experiments")),
    *("data/load.py", "data/download.py", "data/sample"),
)
"""Paths of the project that the service does not need."""


@pytest.fixture(scope="module")
def bento(registered: str) -> str:
    """Build the bento and return its tag."""
    build = subprocess.run(
        [sys.executable, "-m", "bentoml", "build", "--output", "tag"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert build.returncode == 0, build.stderr
    return build.stdout.strip().removeprefix("__tag__:")


@pytest.mark.server
def test_the_bento_holds_no_training_code(bento: str) -> None:
    """Nothing but the code that serves is packed, `model` with its folder `inference` alone."""
    source = Path(bentoml.get(bento).path) / "src"
    assert all((PROJECT / path).exists() for path in TRAINING)
    assert not [path for path in TRAINING if (source / path).exists()]
    assert {path.name for path in (source / "model").iterdir()} - {"__pycache__"} == {
        *("__init__.py", "errors.py", "inference")
    }


@pytest.mark.server
def test_the_bento_answers_like_the_folder(
    registered: str, bundle: Bundle, bento: str, tmp_path: Path
) -> None:
    """Everything that the service needs is packed: code, model, page and locks."""
    flights: Flights = to_flights([Flight.model_validate(EXAMPLE["flights"][0])])
    with running_server(tmp_path / "log", folder=tmp_path, target=bento) as server:
        answer = httpx.post(f"{server.url}/predict_delay", json=EXAMPLE).json()
        assert answer["model"] == registered
        expected = bundle.predictor.predict(flights).probability[0]
        assert abs(answer["predictions"][0]["probability"] - expected) < 1e-9
        for path in ("/", "/docs", "/page/app.js", "/openapi.json"):
            assert httpx.get(server.url + path).status_code == 200
