"""Tests of the container's contract with its platform, with the restrictions of Cloud Run."""

from __future__ import annotations

import json
import time
from pathlib import Path

import httpx
import pytest

from load.tools import container_engine as engine
from load.tools.container import PORT, Container, answers
from load.tools.server_process import Probe
from tests.container.conftest import EXAMPLE, READY, probabilities
from tests.support.server import running_server

pytestmark = pytest.mark.container

JSON = {"content-type": "application/json"}


def test_it_listens_on_port_and_on_every_address(container: Container) -> None:
    """It uses `PORT`, and listens on all addresses, not only on loopback."""
    assert httpx.get(f"{container.url}/livez").status_code == 200
    listening = container.execute("cat", "/proc/1/net/tcp")
    assert f"00000000:{PORT:04X}" in listening
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://{container.host}:3000/livez")


def test_it_runs_as_its_own_user_without_capabilities(container: Container) -> None:
    """Every process has the service's user and no capability, and cannot gain any."""
    status = container.execute("cat", "/proc/1/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["Uid"].split() == ["1034"] * 4
    assert {int(fields[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd")} == {0}
    assert fields["NoNewPrivs"] == "1"


def test_it_only_writes_to_tmp(container: Container) -> None:
    """The root is read-only, and the service still answers."""
    with pytest.raises(engine.EngineError, match="Read-only"):
        container.execute("touch", "/home/bentoml/bento/new")
    container.execute("touch", "/tmp/new")  # noqa: S108 - the container's own
    assert httpx.post(f"{container.url}/predict_delay", content=EXAMPLE, headers=JSON).is_success


def test_it_is_ready_only_once_a_prediction_works(image: str) -> None:
    """It is not ready at first; once it is, a prediction succeeds."""
    with Container(image) as starting:
        asked = 0
        deadline = time.monotonic() + 120
        while not answers(starting.host, READY):
            asked += 1
            assert time.monotonic() < deadline
        assert answers(starting.host, Probe("/predict_delay", EXAMPLE))
    # the first probe is sent before the service can be ready, so it fails
    assert asked > 0


def test_a_missing_model_ends_the_container_with_a_message(image: str) -> None:
    """The container exits, and the log names the missing model."""
    with Container(image, environment={"FLIGHT_DELAY_MODEL": "flight_delay:other"}) as broken:
        code = engine.docker("wait", broken.id).strip()
        assert code != "0"
        log = broken.log()
    assert "No model 'flight_delay:other'" in log
    assert "Traceback" not in log


def test_its_answers_equal_those_of_the_service_outside(
    container: Container,
    packed_store: Path,
    packed_model: str,
    requests: dict[int, list[bytes]],
    tmp_path: Path,
) -> None:
    """The model served from the folder gives every flight the same probability."""
    compared = 0
    with running_server(
        tmp_path / "log", BENTOML_HOME=str(packed_store), FLIGHT_DELAY_MODEL=packed_model
    ) as server:
        for body in [*requests[1000][:3], *requests[1][:50]]:
            inside = httpx.post(f"{container.url}/predict_delay", content=body, headers=JSON)
            outside = httpx.post(f"{server.url}/predict_delay", content=body, headers=JSON)
            assert json.loads(inside.content)["model"] == packed_model
            pairs = zip(probabilities(inside.content), probabilities(outside.content), strict=True)
            for here, there in pairs:
                assert here == pytest.approx(there, abs=1e-12)
                compared += 1
    assert compared > 1000
