"""Metrics of several services on one machine, and of workers whose disk is full."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from serving import metrics_folder
from serving.models import store
from tests.faults.conftest import wait_for, worker_of
from tests.support.server import PROJECT, Server, running_server

REQUEST = (PROJECT / "tests" / "request.json").read_bytes()
JSON = {"content-type": "application/json"}
FLIGHTS = re.compile(r"^flight_delay_flights_total (\S+)$", re.MULTILINE)


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """Return a folder for temporary files."""
    (tmp_path / "tmp").mkdir()
    return tmp_path / "tmp"


@pytest.fixture
def full_disk(registered: str, tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 24 MB with a model store, which tests fill."""
    mounted = tmp_path / "disk"
    mounted.mkdir()
    options = ["-t", "tmpfs", "-o", "size=24m", "tmpfs", str(mounted)]
    mount = shutil.which("mount")
    if mount is None or subprocess.run([mount, *options], check=False).returncode:
        pytest.skip("needs the right to mount a file system")
    try:
        model = Path(store.find(registered).path)
        copy = mounted / "models" / model.parent.name
        shutil.copytree(model, copy / model.name)
        (copy / "latest").write_text(model.name)
        (mounted / "tmp").mkdir()
        yield mounted
    finally:
        subprocess.run([Path(mount).with_name("umount"), "--lazy", str(mounted)], check=True)


@pytest.mark.server
@pytest.mark.parametrize("workers", [1, 2])
def test_a_second_service_leaves_the_metrics_alone(
    registered: str, temporary: Path, tmp_path: Path, workers: int
) -> None:
    """A second service on the same model store and port fails, and the metrics are kept."""
    environment = {"FLIGHT_DELAY_WORKERS": str(workers), "TMPDIR": str(temporary)}
    with running_server(tmp_path / "log", PROJECT, ".", **environment) as server:
        for _ in range(3):
            assert _predict(server) == 200
        wait_for(lambda: _flights(server) == 3)
        assert len(list(temporary.glob(f"{metrics_folder.PREFIX}*"))) == (workers > 1)
        port = server.url.rpartition(":")[2]
        second = subprocess.run(
            [sys.executable, "-m", "bentoml", "serve", "--port", port],
            cwd=PROJECT,
            env={**os.environ, **environment},
            capture_output=True,
            timeout=120,
            check=False,
        )
        assert second.returncode != 0
        assert _flights(server) == 3
    assert not list(temporary.glob(f"{metrics_folder.PREFIX}*"))


@pytest.mark.server
def test_a_worker_starts_again_while_the_disk_is_full(full_disk: Path, tmp_path: Path) -> None:
    """It logs one line about the missing room for metrics, and serves."""
    log = tmp_path / "log"
    environment = {"BENTOML_HOME": str(full_disk), "TMPDIR": str(full_disk / "tmp")}
    with running_server(log, PROJECT, ".", FLIGHT_DELAY_WORKERS="2", **environment) as server:
        wait_for(lambda: log.read_text().count("serving flight_delay:") == 2, seconds=120)
        _fill(full_disk)
        first, other = worker_of(server)
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: log.read_text().count("serving flight_delay:") == 3, seconds=120)
        [restarted] = {*worker_of(server)} - {first, other}
        os.kill(other, signal.SIGSTOP)  # now only the restarted worker answers
        try:
            wait_for(lambda: _predict(server) == 200)
            assert _flights(server) is not None
        finally:
            os.kill(other, signal.SIGCONT)
        assert restarted in worker_of(server)
    lines = [line for line in log.read_text().splitlines() if "no room for metrics" in line]
    assert len(lines) == 1
    assert "No space left on device" in lines[0]


def test_folders_of_dead_supervisors_are_removed(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unlocked folder is removed; a locked one and a new one are kept."""
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    dead, alive, young, other = (
        temporary / name for name in (*(f"{metrics_folder.PREFIX}{i}" for i in "abc"), "other")
    )
    for folder in (dead, alive, young, other):
        folder.mkdir()
        if folder is not young:
            os.utime(folder, (0, 0))
    handle = os.open(alive, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        metrics_folder._remove_abandoned()
    finally:
        os.close(handle)
    assert set(temporary.iterdir()) == {alive, young, other}


@pytest.mark.server
def test_room_is_reserved_for_every_file_that_the_metrics_need(
    registered: str, temporary: Path, tmp_path: Path
) -> None:
    """prometheus_client uses the reserved files only, and at most half of their size."""
    environment = {"FLIGHT_DELAY_WORKERS": "2", "TMPDIR": str(temporary)}
    with running_server(tmp_path / "log", PROJECT, ".", **environment) as server:
        assert _predict(server) == 200
        workers = worker_of(server)
        [folder] = temporary.glob(f"{metrics_folder.PREFIX}*")
        expected = {f"{kind}_{pid}.db" for kind in metrics_folder.KINDS for pid in workers}
        wait_for(lambda: {file.name for file in folder.iterdir()} == expected)
        time.sleep(1.5)  # counts are written once a second
        for file in folder.iterdir():
            used = int.from_bytes(file.read_bytes()[:4], sys.byteorder)
            assert 8 < used <= metrics_folder.RESERVED_BYTES / 2


def _fill(folder: Path) -> None:
    """Fill the file system of a folder."""
    with (folder / "filler").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


def _predict(server: Server) -> int:
    with suppress(httpx.TransportError):
        url = f"{server.url}/predict_delay"
        return httpx.post(url, content=REQUEST, headers=JSON, timeout=30).status_code
    return 0


def _flights(server: Server) -> float | None:
    found = FLIGHTS.search(httpx.get(f"{server.url}/metrics", timeout=30).text)
    return float(found[1]) if found else None
