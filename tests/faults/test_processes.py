"""Killed processes, full disks and damaged model files."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Self

import httpx
import pytest

from tests.faults.conftest import (
    Figure,
    Truth,
    port_of,
    wait_for,
    worker_of,
    works,
)
from tests.support import http_client
from tests.support.http_client import HANGS, JSON, AnswerCounts, read_response, request
from tests.support.server import PROJECT, WORKER_STARTED, Server, running_server

pytestmark = pytest.mark.server

CLIENTS = 16


class Callers:
    """Clients in a thread of their own that check each response and count the outcomes.

    `headers` are added to each request, each line with CRLF.
    """

    def __init__(self, server: Server, truth: Truth, headers: str = "") -> None:
        self._port, self._truth, self._headers = port_of(server), truth, JSON + headers
        self._stop = threading.Event()
        self.counts: Counter[str] = Counter()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(HANGS)

    async def _run(self) -> None:
        await asyncio.gather(*map(self._client, range(CLIENTS)))

    async def _client(self, number: int) -> None:
        while not self._stop.is_set():
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError:
                self.counts["not connected"] += 1
                await asyncio.sleep(0.05)
                continue
            try:
                while not self._stop.is_set():
                    number = (number + 97) % 2_000
                    writer.write(request(self._truth.bodies[number], self._headers))
                    response = read_response(reader)
                    status, _, answer = await asyncio.wait_for(response, HANGS)
                    good = status == 200 and self._truth.fits(number, answer)
                    self.counts["answered" if good else "wrong"] += 1
                    await asyncio.sleep(0.005)
            except (OSError, asyncio.IncompleteReadError):
                self.counts["cut off"] += 1
            except TimeoutError:
                self.counts["no answer"] += 1
            finally:
                writer.close()


def test_a_killed_worker_is_replaced(
    registered: str, truth: Truth, figure: Figure, tmp_path: Path
) -> None:
    """A killed worker loses only its own requests, and is replaced."""
    with running_server(tmp_path / "log", FLIGHT_DELAY_WORKERS="2") as server:
        before = wait_for_serving(server, 2)
        with Callers(server, truth) as callers:
            time.sleep(1)
            os.kill(before[0], signal.SIGKILL)
            seconds = wait_for(lambda: len(set(worker_of(server)) - set(before)) > 0)
            after = callers.counts["answered"]
            wait_for(lambda: callers.counts["answered"] > after + 10 * CLIENTS)
        figure(replaced_after_seconds=round(seconds, 2), **callers.counts)
        assert callers.counts["wrong"] == callers.counts["no answer"] == 0
        assert callers.counts["cut off"] <= CLIENTS
        assert works(server)


def wait_for_serving(server: Server, count: int) -> list[int]:
    """Wait until `count` workers have started to serve; return their process ids."""
    wait_for(lambda: server.log.read_text().count(WORKER_STARTED) >= count)
    return worker_of(server)


def test_killing_the_supervisor_ends_the_service(
    registered: str, truth: Truth, figure: Figure, tmp_path: Path
) -> None:
    """When the supervisor is killed, its workers answer what they have accepted, and end."""
    with running_server(tmp_path / "log", FLIGHT_DELAY_WORKERS="2") as server:
        workers = wait_for_serving(server, 2)
        counts, seconds = asyncio.run(kill_under_load(server, workers, truth.bodies[:CLIENTS]))
        figure(
            answered=counts.answers[200], ended_after_seconds=round(seconds, 1), reset=counts.reset
        )
        assert not works(server)
    assert set(counts.answers) == {200}
    assert counts.lost == counts.cut == counts.reset == 0, counts
    assert counts.refused > 0
    assert server.log.read_text().count("the supervisor has gone") == 2


async def kill_under_load(
    server: Server, workers: list[int], bodies: list[bytes]
) -> tuple[AnswerCounts, float]:
    """Kill the supervisor under load; return the outcomes and the seconds until the workers end."""
    callers = http_client.Callers("127.0.0.1", port_of(server), bodies)
    await asyncio.sleep(1)
    server.process.kill()
    server.process.wait(10)
    seconds = await asyncio.to_thread(
        wait_for, lambda: not any(running(pid) for pid in workers), 60
    )
    await callers.stop()
    return callers.counts, seconds


def running(pid: int) -> bool:
    """Return whether a process runs, and is not a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_a_full_disk_for_the_log_stops_no_request(
    registered: str, truth: Truth, figure: Figure
) -> None:
    """Requests are answered while the log cannot be written."""
    with running_server(Path("/dev/full")) as server:
        answers = Counter(
            httpx.post(f"{server.url}/predict_delay", content=body).status_code
            for body in truth.bodies[:50]
        )
        httpx.post(f"{server.url}/predict_delay", content=b"{")
        figure(answered=answers[200])
        assert answers == {200: 50}
        assert works(server)


def test_a_full_disk_leaves_the_registered_model_alone(
    registered: str, tmp_path: Path, figure: Figure
) -> None:
    """A registration that runs out of space fails with a reason and changes nothing."""
    store = tmp_path / "store"
    shutil.copytree(os.environ["BENTOML_HOME"], store)
    before = snapshot(store)

    def no_space() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

    done = subprocess.run(
        [sys.executable, "train.py", "--data", "sample", "--skip-evaluation", "--force",
         "--reports", str(tmp_path / "reports")],
        cwd=PROJECT, env={**os.environ, "BENTOML_HOME": str(store), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True, text=True, timeout=240, check=False, preexec_fn=no_space,
    )  # fmt: skip
    figure(exit_code=done.returncode, said=done.stderr.strip().splitlines()[-1][:100])
    assert done.returncode != 0
    assert snapshot(store) == before


def snapshot(store: Path) -> dict[str, bytes]:
    """All files of the models in a store."""
    models = store / "models"
    return {str(p.relative_to(models)): p.read_bytes() for p in models.rglob("*") if p.is_file()}


@pytest.mark.parametrize("damage", ["a flipped bit", "a truncated file", "a missing file"])
def test_a_damaged_model_is_not_served(
    registered: str, tmp_path: Path, figure: Figure, damage: str
) -> None:
    """A model whose files are damaged is refused at start, with a line that says which file."""
    store = tmp_path / "store"
    shutil.copytree(os.environ["BENTOML_HOME"], store)
    [model] = (store / "models" / registered.replace(":", "/")).rglob("saved_model.ubj")
    content = bytearray(model.read_bytes())
    if damage == "a flipped bit":
        content[len(content) // 2] ^= 1
        model.write_bytes(content)
    elif damage == "a truncated file":
        model.write_bytes(content[: len(content) // 2])
    else:
        model.unlink()
    done = subprocess.run(
        [sys.executable, "-m", "bentoml", "serve", "--port", "0"],
        cwd=PROJECT, env={**os.environ, "BENTOML_HOME": str(store)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    figure(damage=damage, exit_code=done.returncode)
    assert done.returncode != 0
    assert "saved_model.ubj" in done.stdout + done.stderr
