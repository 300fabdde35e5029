"""What the fault tests share: a service to harm, raw connections, and figures that are kept."""

from __future__ import annotations

import asyncio
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
from tests.support.server import PROJECT, Server, running_server
from tests.test_service import as_json

FULL = bool(os.environ.get("FAULTS_FULL"))
"""Whether to run at full size: `make faults`."""
READ_SECONDS = 2.0
HANGS = 120.0
"""Seconds after which something hangs: far beyond what a busy machine takes."""

Figure = Callable[..., None]


@pytest.fixture(scope="session")
def figures() -> Iterator[dict[str, Any]]:
    """Figures of this run; written to reports/faults.json at its end."""
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
    """Keeps the figures of a fault under the first line of its test's docstring."""

    def keep(**values: Any) -> None:
        name = str(request.node.name)
        figures[name] = {"fault": str(request.function.__doc__).split("\n")[0], **values}

    return keep


@pytest.fixture(scope="module")
def service(registered: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The service with its default engine, impatient with slow clients."""
    log = tmp_path_factory.mktemp("faults") / "log"
    with running_server(log, FLIGHT_DELAY_READ_SECONDS=str(READ_SECONDS)) as running:
        yield running
        assert "Traceback" not in log.read_text()


class Truth:
    """Requests and what the training side says of them: whose answer is whose can be told."""

    def __init__(self, frame: pd.DataFrame, bundle: Bundle) -> None:
        chosen = frame.sample(2_000, random_state=8)
        scores = bundle.predictor.score(Flights.from_columns(chosen))
        self.bodies = [json.dumps({"flights": [row]}).encode() for row in as_json(chosen)]
        self.probabilities: list[float] = scores.tolist()

    def fits(self, number: int, answer: Any) -> bool:
        """Whether an answer is that of the request with this number."""
        [prediction] = answer["predictions"]
        return bool(abs(prediction["probability"] - self.probabilities[number]) < 1e-9)


@pytest.fixture(scope="session")
def truth(frame: pd.DataFrame, bundle: Bundle) -> Truth:
    """Requests and their right answers."""
    return Truth(frame, bundle)


def http(body: bytes, *headers: str, path: str = "/predict_delay") -> bytes:
    """The bytes of a request with a declared length."""
    lines = [f"POST {path} HTTP/1.1", "host: x", f"content-length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def talk(port: int, sent: bytes, within: float = HANGS) -> tuple[int, Any]:
    """Send bytes over a new connection; status and document of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(within):
            writer.write(sent)
            await writer.drain()
            return await answer_of(reader)
    finally:
        writer.close()


async def answer_of(reader: asyncio.StreamReader) -> tuple[int, Any]:
    """Status and document of the next answer on a connection."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
    return int(head.split()[1]), json.loads(await reader.readexactly(length))


def port_of(server: Server) -> int:
    """The port that a server listens on."""
    return int(server.url.rsplit(":", 1)[1])


def memory_mb(server: Server) -> float:
    """Proportional set size of all its processes."""
    return sum(map(pss_kb, tree(server.process.pid))) / 1024


def cpu_seconds(server: Server) -> float:
    """Processor time of all its processes so far, which other processes do not change."""
    return sum(cpu_by_name(tree(server.process.pid)).values())


def open_files(server: Server) -> int:
    """File handles of all its processes."""
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in tree(server.process.pid))


def works(server: Server) -> bool:
    """Whether a plain request is answered."""
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
    """Wait until something is true; return how long it took."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > seconds:
            pytest.fail(f"not true after {seconds:.0f} s")
        time.sleep(0.05)
    return time.monotonic() - started


def worker_of(server: Server) -> list[int]:
    """Process ids of the workers, without the supervisor."""
    return [pid for pid in tree(server.process.pid) if "worker.service" in _command(pid)]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
