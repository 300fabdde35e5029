"""What all tests share: flights, a model registered in a store of its own, a running service."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# before anything imports bentoml: tests never touch the user's store and never report home
os.environ["BENTOML_HOME"] = tempfile.mkdtemp(prefix="flight-delay-tests-")
os.environ["BENTOML_DO_NOT_TRACK"] = "true"
# LightGBM's threads spin while they wait: on a busy machine a fit took minutes instead of seconds
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import httpx
import pandas as pd
import pytest

from data.flights import Flights
from data.load import Dataset, load_flights
from model.inference.bundle import Bundle
from model.reports.card import make_card
from model.training.fit import TrainingConfig, fit
from serving.models import store

PROJECT = Path(__file__).parents[1]
START_SECONDS = 240
STOP_SECONDS = 120
"""Only to end a test run whose service hangs: a busy machine takes many times its usual time."""
EVERY = 12


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    """Real flights where `SCL_DATASET` names them, else the embedded sample."""
    return load_flights(os.environ.get("SCL_DATASET") or "sample")


@pytest.fixture(scope="session")
def frame(dataset: Dataset) -> pd.DataFrame:
    """All flights, typed and in order of time."""
    return dataset.frame


@pytest.fixture(scope="session")
def few(frame: pd.DataFrame) -> pd.DataFrame:
    """Every twelfth flight: some 5,700, in order of time, spread over the whole year."""
    return frame.iloc[::EVERY]


@pytest.fixture(scope="session")
def few_flights(few: pd.DataFrame) -> Flights:
    """Give the schedule of those flights."""
    return Flights.from_columns(few)


@pytest.fixture(scope="session")
def real_data(dataset: Dataset) -> None:
    """Skip the test where only the embedded sample is at hand."""
    if dataset.is_sample:
        pytest.skip("needs the real flights: name them in SCL_DATASET")


@pytest.fixture(scope="session")
def bundle(dataset: Dataset) -> Bundle:
    """A model fitted on all flights, with fewer trees than a served one."""
    recipe = TrainingConfig(rounds=80)
    predictor = fit(dataset.frame, recipe)
    card = make_card(
        dataset.frame,
        is_sample=dataset.is_sample,
        predictor=predictor,
        config=recipe,
        evaluation={},
    )
    return Bundle(predictor, card, {})


@pytest.fixture(scope="session")
def registered(bundle: Bundle) -> str:
    """Tag of that model in the store that this test run made for itself."""
    return str(store.register(bundle, store.DEFAULT_NAME, {}, {}))


@dataclass(frozen=True)
class Server:
    """A running `bentoml serve`."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path


@pytest.fixture(scope="session", params=["inline", "bentoml", "off"])
def server(
    request: pytest.FixtureRequest, registered: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Run the service as its users do, once with each batching engine."""
    log = tmp_path_factory.mktemp("server") / "log"
    with running_server(log, FLIGHT_DELAY_BATCHING=request.param) as running:
        yield running


class running_server:  # noqa: N801 - a context manager, used like a function
    """Start `bentoml serve` on a free port; stop it, and nothing else, at the end."""

    def __init__(
        self, log: Path, folder: Path = PROJECT, target: str = ".", **environment: str
    ) -> None:
        self._log = log
        self._folder = folder
        self._target = target
        self._environment = environment

    def __enter__(self) -> Server:
        port = free_port()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bentoml", "serve", self._target, "--port", str(port)],
                cwd=self._folder,
                env={**os.environ, **self._environment},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            self.limit(self._process)
        server = Server(f"http://127.0.0.1:{port}", self._process, self._log)
        _wait_until_ready(server)
        return server

    def limit(self, process: subprocess.Popen[bytes]) -> None:
        """Limit what a process may have that has just begun; its workers inherit it."""

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(timeout=STOP_SECONDS)


def free_port() -> int:
    """Return a port of the loopback interface that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_ready(server: Server) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            if httpx.get(f"{server.url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    pytest.fail(f"the service did not start:\n{server.log.read_text()}")
