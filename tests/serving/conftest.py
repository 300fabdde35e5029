"""Shared fixtures of the tests of serving: predictor, flights, and a real PostgreSQL."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.flights import Flights
from model.inference.bundle import Bundle
from model.inference.predictor import Predictor
from tests.support.server import free_port

SUPERUSER = "postgres"


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """Run a PostgreSQL server on loopback in a temporary folder; yield its SQLAlchemy URL."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("needs a PostgreSQL server: apt-get install postgresql")
    pytest.importorskip("psycopg")
    folder, programs, port = Path(tempfile.mkdtemp(prefix="pg-")), found[-1].parent, free_port()
    # PostgreSQL refuses to run as root
    user = {"user": SUPERUSER} if os.geteuid() == 0 else {}
    if user:
        shutil.chown(folder, SUPERUSER)
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
    commands = (
        ["initdb", "-D", "data", "-U", SUPERUSER, "-A", "trust", "--no-sync"],
        ["pg_ctl", "-D", "data", "-w", "-l", "log", "-o", options, "start"],
    )
    try:
        for program, *arguments in commands:
            _run([str(programs / program), *arguments], folder, user)
        yield f"postgresql+psycopg://{SUPERUSER}@127.0.0.1:{port}/postgres"
    finally:
        stop = [str(programs / "pg_ctl"), "-D", "data", "-m", "immediate", "stop"]
        subprocess.run(stop, cwd=folder, check=False, capture_output=True, **user)  # type: ignore[call-overload] # a user's name
        shutil.rmtree(folder, ignore_errors=True)


def _run(command: list[str], folder: Path, user: dict[str, str]) -> None:
    # not pipes: the server that is started inherits them, and they would never end
    subprocess.run(  # type: ignore[call-overload] # a user's name
        command,
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **user,
    )


@pytest.fixture(scope="module")
def predictor(bundle: Bundle) -> Predictor:
    """Return the predictor of the shared model."""
    return bundle.predictor


@pytest.fixture(scope="module")
def flights(frame: pd.DataFrame) -> Flights:
    """Return a thousand flights."""
    return Flights.from_columns(frame.sample(1000, random_state=4))


@pytest.fixture(scope="module")
def expected(predictor: Predictor, flights: Flights) -> np.ndarray:
    """Return their scores, computed in one batch."""
    return predictor.predict(flights).probability
