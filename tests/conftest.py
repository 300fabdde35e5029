"""Shared fixtures: flights, a model registered in a store of the test run, a running service."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

# before anything imports bentoml: tests never touch the user's store and never report home
os.environ["BENTOML_HOME"] = tempfile.mkdtemp(prefix="flight-delay-tests-")
os.environ["BENTOML_DO_NOT_TRACK"] = "true"
# LightGBM's threads spin while they wait: on a busy machine a fit took minutes instead of seconds
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import pandas as pd
import pytest

from data.flights import Flights
from data.load import Dataset, load_flights
from model.inference.bundle import Bundle
from model.reports.card import make_card
from model.training.fit import TrainingConfig, fit
from serving.models import store
from tests.support.server import Server, running_server

EVERY = 12
TESTS = Path(__file__).parent
SLOW_MARKERS = ("server", "container")
SLOW_FIXTURES = {"browser", "live", "server"}
SLOW_FILES = {
    TESTS / name
    for name in (
        "client/test_package.py",
        "deploy/test_dry_run.py",
        "load/baselines/test_baselines.py",
        "model/evaluation/test_protocols.py",
        "model/experiments/attempts/test_attempts.py",
        "model/experiments/run/test_work_list.py",
        "model/reports/test_evaluation_report.py",
        "model/training/test_distributed.py",
        "model/tuning/test_search.py",
        "monitor/test_commands.py",
        "monitor/test_judgement.py",
        "score/test_cluster.py",
        "score/test_killed.py",
        "serving/test_any_airport.py",
        "test_train.py",
    )
}
"""Files whose tests train models, start clusters or build packages."""


@pytest.hookimpl(tryfirst=True)  # before pytest selects by the option -m
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Add the marker `slow` to the tests with the markers, fixtures and files above."""
    for item in items:
        slow = item.path in SLOW_FILES or any(map(item.get_closest_marker, SLOW_MARKERS))
        if slow or SLOW_FIXTURES & {*getattr(item, "fixturenames", ())}:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    """Load the real flights that `SCL_DATASET` names, or else the embedded sample."""
    return load_flights(os.environ.get("SCL_DATASET") or "sample")


@pytest.fixture(scope="session")
def frame(dataset: Dataset) -> pd.DataFrame:
    """Return all flights, typed and in order of time."""
    return dataset.frame


@pytest.fixture(scope="session")
def few(frame: pd.DataFrame) -> pd.DataFrame:
    """Return every twelfth flight: some 5,700, in order of time, spread over the whole year."""
    return frame.iloc[::EVERY]


@pytest.fixture(scope="session")
def few_flights(few: pd.DataFrame) -> Flights:
    """Return the schedule of the flights of `few`."""
    return Flights.from_columns(few)


@pytest.fixture(scope="session")
def real_data(dataset: Dataset) -> None:
    """Skip the test where `SCL_DATASET` names no real flights."""
    if dataset.is_sample:
        pytest.skip("needs the real flights: name them in SCL_DATASET")


@pytest.fixture(scope="session")
def bundle(dataset: Dataset) -> Bundle:
    """Fit a model on all flights, with fewer trees than a served one."""
    config = TrainingConfig(rounds=80)
    predictor = fit(dataset.frame, config)
    card = make_card(
        dataset.frame,
        is_sample=dataset.is_sample,
        predictor=predictor,
        config=config,
        evaluation={},
    )
    return Bundle(predictor, card, {})


@pytest.fixture(scope="session")
def registered(bundle: Bundle) -> str:
    """Register the model in the store of the test run and return its tag."""
    return str(store.register(bundle, store.DEFAULT_NAME, {}, {}))


@pytest.fixture(scope="session", params=["inline", "bentoml", "off"])
def server(
    request: pytest.FixtureRequest, registered: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Run `bentoml serve`, once with each batching engine."""
    log = tmp_path_factory.mktemp("server") / "log"
    with running_server(log, FLIGHT_DELAY_BATCHING=request.param) as running:
        yield running
