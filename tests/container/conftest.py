"""Fixtures: the image that the variable IMAGE names, and a running container of it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.load import Dataset
from load.tools import container_engine as engine
from load.tools.container import Container
from load.tools.payloads import distinct_flights, payloads
from load.tools.server_process import Probe
from tests.support.server import PROJECT

READY = Probe("/readyz", b"")
EXAMPLE = (PROJECT / "tests" / "request.json").read_bytes()
FLIGHTS = 10_000


@pytest.fixture(scope="session")
def image() -> str:
    """Return the name of the image; skip if there is no image or no engine."""
    name = os.environ.get("IMAGE")
    if not name:
        pytest.skip("IMAGE is not set: run `make image image-test`")
    try:
        engine.require()
        engine.inspect(name)
    except engine.EngineError as error:
        pytest.skip(str(error))
    return name


@pytest.fixture(scope="session")
def container(image: str) -> Iterator[Container]:
    """Run a container that no test changes."""
    with Container(image) as running:
        running.wait(READY)
        yield running


@pytest.fixture(scope="session")
def requests(dataset: Dataset) -> dict[int, list[bytes]]:
    """Return bodies of requests by their number of flights."""
    flights = distinct_flights(dataset.frame, FLIGHTS)
    sizes = (1, 100, 1000)
    return {size: [body.encode() for body in payloads(flights, size)] for size in sizes}


@pytest.fixture(scope="session")
def packed_store(image: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a BentoML home with the model of the image."""
    home = tmp_path_factory.mktemp("home")
    made = engine.docker("create", image).strip()
    try:
        engine.docker("cp", f"{made}:/home/bentoml/bento/models", str(home / "models"))
    finally:
        engine.docker("rm", made)
    return home


@pytest.fixture(scope="session")
def packed_model(image: str) -> str:
    """Return the tag of the model, from the image's label."""
    labels: dict[str, str] = engine.inspect(image)["Config"]["Labels"]
    return labels["flight-delay.model"]


def probabilities(answer: bytes) -> list[float]:
    """Return the probabilities of an answer, in order."""
    return [each["probability"] for each in json.loads(answer)["predictions"]]
