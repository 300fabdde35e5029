"""The container keeps what its platform expects of it; it runs locked down, as Cloud Run would."""

from __future__ import annotations

import json
import time
from pathlib import Path

import httpx
import pytest

from deploy.image import engine
from load.tools.container import PORT, Container, answers
from load.tools.server_process import Probe
from tests.container.conftest import EXAMPLE, READY, probabilities
from tests.support.server import running_server

pytestmark = pytest.mark.container

JSON = {"content-type": "application/json"}


def test_it_listens_where_it_is_told_and_on_every_address(container: Container) -> None:
    """`PORT` is honoured; the container is reached by its own address, not by loopback alone."""
    assert httpx.get(f"{container.url}/livez").status_code == 200
    listening = container.execute("cat", "/proc/1/net/tcp")
    assert f"00000000:{PORT:04X}" in listening
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://{container.host}:3000/livez")


def test_it_runs_as_nobody_with_no_capability(container: Container) -> None:
    """Every process has a user of its own, no capability, and can gain none."""
    status = container.execute("cat", "/proc/1/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["Uid"].split() == ["1034"] * 4
    assert {int(fields[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd")} == {0}
    assert fields["NoNewPrivs"] == "1"


def test_it_needs_to_write_nothing_but_tmp(container: Container) -> None:
    """The root is read-only, and the service answers all the same."""
    with pytest.raises(engine.EngineError, match="Read-only"):
        container.execute("touch", "/home/bentoml/bento/new")
    container.execute("touch", "/tmp/new")  # noqa: S108 - the container's own
    assert httpx.post(f"{container.url}/predict_delay", content=EXAMPLE, headers=JSON).is_success


def test_it_is_ready_only_once_a_prediction_works(image: str) -> None:
    """From its start on it refuses or keeps callers waiting; once it says ready, it predicts."""
    with Container(image) as starting:
        asked = 0
        deadline = time.monotonic() + 120
        while not answers(starting.host, READY):
            asked += 1
            assert time.monotonic() < deadline
        assert answers(starting.host, Probe("/predict_delay", EXAMPLE))
    # refused at least once: it was asked from before it could have been ready
    assert asked > 0


def test_a_missing_model_ends_the_container_with_one_clear_line(image: str) -> None:
    """It does not stay up and fail; it says what is missing."""
    with Container(image, environment={"FLIGHT_DELAY_MODEL": "flight_delay:other"}) as broken:
        code = engine.docker("wait", broken.id).strip()
        assert code != "0"
        log = broken.log()
    assert "No model 'flight_delay:other'" in log
    assert "Traceback" not in log


def test_its_answers_are_those_of_the_service_outside(
    container: Container,
    packed_store: Path,
    packed_model: str,
    requests: dict[int, list[bytes]],
    tmp_path: Path,
) -> None:
    """The same model, served from the folder, gives every flight the same probability."""
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
