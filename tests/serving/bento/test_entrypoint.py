"""The container's entry point: one worker in this very process, or BentoML's supervisor."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from serving.bento import entrypoint
from serving.settings import settings
from tests.conftest import PROJECT, free_port

STUB_WORKER = """
import signal, socket, sys
from _bentoml_impl.worker import service
def serve(arguments):
    descriptor = int(arguments[arguments.index("--fd") + 1])
    listener = socket.socket(fileno=descriptor)
    print(arguments[0], listener.getsockname(), flush=True)
    signal.pause()
service.main = serve
from serving import launch
launch.main()
"""


@pytest.fixture
def one_setting_a_test() -> None:
    """Settings are read once per process; forget them."""
    settings.cache_clear()


def test_several_workers_are_bentomls_own_business(
    monkeypatch: pytest.MonkeyPatch, one_setting_a_test: None
) -> None:
    """With more than one worker the process becomes `bentoml serve`, on the same port."""
    became: list[list[str]] = []

    def become(_name: str, command: list[str]) -> None:
        became.append(command)
        raise SystemExit

    monkeypatch.setenv("FLIGHT_DELAY_WORKERS", "2")
    monkeypatch.setenv("PORT", "8123")
    monkeypatch.setattr(os, "execvp", become)
    with pytest.raises(SystemExit):
        entrypoint.main()
    settings.cache_clear()
    command = became[0]
    assert command[:4] == ["bentoml", "serve", "--port", "8123"]
    assert command[-1] == str(entrypoint.BENTO)
    assert "--timeout-graceful-shutdown" in command


def test_it_listens_on_every_address_before_it_loads_and_leaves_when_told() -> None:
    """The worker gets an open socket; SIGTERM while it still loads is a clean end."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-c", STUB_WORKER],
        cwd=PROJECT,
        env={**os.environ, "PORT": str(port), "FLIGHT_DELAY_WORKERS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        printed = process.stdout.readline()
        assert f"('0.0.0.0', {port})" in printed
        assert printed.startswith(str(entrypoint.BENTO))
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            pass
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=120) == 0


@pytest.mark.server
def test_a_bento_starts_by_it(registered: str, tmp_path: Path) -> None:
    """A built bento answers when it is started as the image starts it, and ends with 0."""
    build = [sys.executable, "-m", "bentoml", "build", "--output", "tag"]
    made = subprocess.run(build, cwd=PROJECT, capture_output=True, text=True, check=True)
    tag = made.stdout.strip().removeprefix("__tag__:").replace(":", "/")
    folder = Path(os.environ["BENTOML_HOME"], "bentos", tag, "src")
    port = free_port()
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "serving.bento.entrypoint"],
            cwd=folder,
            env={**os.environ, "PORT": str(port)},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + 240
        while (answer := _model(port)) is None:
            assert process.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert answer == registered
    finally:
        process.terminate()
        code = process.wait(timeout=120)
    assert code == 0


def _model(port: int) -> str | None:
    try:
        model: str = httpx.get(f"http://127.0.0.1:{port}/model", timeout=60).json()["model"]
    except httpx.TransportError:
        return None
    return model
