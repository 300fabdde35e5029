"""Fixtures of the fault tests: a service, requests with known answers, recorded figures."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

from data.flights import Flights
from load.tools.server_process import cpu_by_name, pss_kb, tree
from model.inference.bundle import Bundle
from tests.support.http_client import HANGS
from tests.support.server import PROJECT, Server, running_server
from tests.test_service import as_json

FULL = bool(os.environ.get("FAULTS_FULL"))
"""Whether the tests run at full size (`make faults`)."""
READ_SECONDS = 2.0

Figure = Callable[..., None]


@pytest.fixture(scope="session")
def figures() -> Iterator[dict[str, Any]]:
    """Collect the figures of this run; write them to reports/faults.json at its end."""
    found: dict[str, Any] = {}
    yield found
    path = PROJECT / "reports" / "faults.json"
    path.parent.mkdir(exist_ok=True)
    with path.open("a+") as kept:
        fcntl.flock(kept, fcntl.LOCK_EX)  # tests run in several processes
        kept.seek(0)
        known = json.loads(kept.read() or "{}")
        kept.truncate(0)
        kept.write(json.dumps({**known, **found}, indent=1, sort_keys=True) + "\n")


@pytest.fixture
def figure(request: pytest.FixtureRequest, figures: dict[str, Any]) -> Figure:
    """Return a function that records the figures of a test with its docstring's first line."""

    def keep(**values: Any) -> None:
        name = str(request.node.name)
        figures[name] = {"fault": str(request.function.__doc__).split("\n")[0], **values}

    return keep


@pytest.fixture(scope="module")
def service(registered: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run the service with a short read timeout."""
    log = tmp_path_factory.mktemp("faults") / "log"
    with running_server(log, FLIGHT_DELAY_READ_SECONDS=str(READ_SECONDS)) as running:
        yield running
        assert "Traceback" not in log.read_text()


class Truth:
    """Requests with the probabilities that the training code gives them.

    Different probabilities show which response belongs to which request.
    """

    def __init__(self, frame: pd.DataFrame, bundle: Bundle) -> None:
        chosen = frame.sample(2_000, random_state=8)
        scores = bundle.predictor.score(Flights.from_columns(chosen))
        self.bodies = [json.dumps({"flights": [row]}).encode() for row in as_json(chosen)]
        self.probabilities: list[float] = scores.tolist()

    def fits(self, number: int, answer: Any) -> bool:
        """Return whether a response is that of the request with this number."""
        [prediction] = answer["predictions"]
        return bool(abs(prediction["probability"] - self.probabilities[number]) < 1e-9)


@pytest.fixture(scope="session")
def truth(frame: pd.DataFrame, bundle: Bundle) -> Truth:
    """Return requests and their expected probabilities."""
    return Truth(frame, bundle)


def port_of(server: Server) -> int:
    """Return the port of a server."""
    return int(server.url.rsplit(":", 1)[1])


def memory_mb(server: Server) -> float:
    """Return the proportional set size of all processes of a server, in MiB."""
    return sum(map(pss_kb, tree(server.process.pid))) / 1024


def cpu_seconds(server: Server) -> float:
    """Return the CPU time of all processes of a server; other processes do not change it."""
    return sum(cpu_by_name(tree(server.process.pid)).values())


def open_files(server: Server) -> int:
    """Return the number of open files of all processes of a server."""
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in tree(server.process.pid))


def works(server: Server) -> bool:
    """Return whether a valid request gets 200."""
    example = (PROJECT / "tests" / "request.json").read_bytes()
    headers = {"content-type": "application/json"}
    try:
        answer = httpx.post(
            f"{server.url}/predict_delay", content=example, headers=headers, timeout=HANGS
        )
    except httpx.TransportError:
        return False
    return answer.status_code == 200


def wait_for(condition: Callable[[], bool], seconds: float = HANGS) -> float:
    """Wait until a condition is true; return the seconds that it took."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > seconds:
            pytest.fail(f"not true after {seconds:.0f} s")
        time.sleep(0.05)
    return time.monotonic() - started


def worker_of(server: Server) -> list[int]:
    """Return the process ids of the workers, without the supervisor."""
    return [pid for pid in tree(server.process.pid) if "worker.service" in _command(pid)]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
