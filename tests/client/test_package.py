"""Tests of the installed package without the rest of the repository."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.client.faults import FaultServer, answer
from tests.support.server import PROJECT

START = """
import sys
from scl_delay import DelayClient, Flight
client = DelayClient(sys.argv[1])
print(client.predict(Flight(airline="LAN", flight_number="120", destination="SCFA",
                            scheduled_departure="2017-07-14T08:30")).probability)
assert not {"numpy", "pandas", "polars", "google"} & set(sys.modules)
"""
UNREACHABLE = ("error sending request", "Failed to fetch", "dns error", "Connection refused")


def uv() -> str:
    """Return the path of uv in this environment."""
    return str(Path(sys.executable).with_name("uv"))


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a new environment with the client; skip if no package index is reachable."""
    folder = tmp_path_factory.mktemp("alone") / "venv"
    subprocess.run([uv(), "venv", "--quiet", "--python", sys.executable, folder], check=True)
    install = subprocess.run(
        [uv(), "pip", "install", "--python", folder / "bin" / "python", PROJECT / "client"],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    if install.returncode and any(words in install.stderr for words in UNREACHABLE):
        pytest.skip("no package index is reachable")
    assert install.returncode == 0, install.stderr
    return folder


def test_the_package_works_without_the_service(environment: Path, tmp_path: Path) -> None:
    """The library and the command get a prediction with httpx and pydantic only."""
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with FaultServer([answer]) as server:
        said = subprocess.run(
            [environment / "bin" / "python", "-c", START, server.url],
            cwd=tmp_path,
            env=alone,
            capture_output=True,
            text=True,
            check=True,
        )
        assert said.stdout.strip() == "0.012"
        command = [str(environment / "bin" / "scl-delay"), "predict", "LAN120", "SCFA"]
        shown = subprocess.run(
            [*command, "2017-07-14T08:30", "--url", server.url],
            cwd=tmp_path,
            env=alone,
            capture_output=True,
            text=True,
            check=True,
        )
    assert "1.2 %" in shown.stdout


def test_the_package_installs_httpx_and_pydantic_only(environment: Path) -> None:
    """The environment has the typed client, httpx and pydantic, and nothing of the service."""
    (folder,) = (environment / "lib").glob("python*/site-packages")
    assert (folder / "scl_delay" / "py.typed").exists()
    names = {path.name for path in folder.iterdir()}
    assert not names & {"generate.py", "serving", "data", "numpy", "pandas", "bentoml"}
    listed = subprocess.run(
        [uv(), "pip", "list", "--format", "freeze", "--python", environment / "bin" / "python"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert {"httpx", "pydantic", "scl-delay-client"} <= {
        line.split("==")[0].split(" @ ")[0] for line in listed.splitlines()
    }
