"""Entry point of the container: one worker in the process itself, or BentoML's supervisor."""

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
from tests.support.server import PROJECT, free_port

STUB_WORKER = """
import signal, socket, sys
from _bentoml_impl.worker import service
def serve(arguments):
    descriptor = int(arguments[arguments.index("--fd") + 1])
    listener = socket.socket(fileno=descriptor)
    print(arguments[0], listener.getsockname(), flush=True)
    signal.pause()
service.main = serve
from serving.bento import entrypoint
entrypoint.main()
"""


@pytest.fixture
def fresh_settings() -> None:
    """Clear the cache of the settings, which are read once per process."""
    settings.cache_clear()


def test_several_workers_run_under_bentomls_supervisor(
    monkeypatch: pytest.MonkeyPatch, fresh_settings: None
) -> None:
    """More than one worker makes the process execute `bentoml serve`, on the same port."""
    commands: list[list[str]] = []

    def execute(_name: str, command: list[str]) -> None:
        commands.append(command)
        raise SystemExit

    monkeypatch.setenv("FLIGHT_DELAY_WORKERS", "2")
    monkeypatch.setenv("PORT", "8123")
    monkeypatch.setattr(os, "execvp", execute)
    with pytest.raises(SystemExit):
        entrypoint.main()
    settings.cache_clear()
    command = commands[0]
    assert command[:4] == ["bentoml", "serve", "--port", "8123"]
    assert command[-1] == str(entrypoint.BENTO)
    assert "--timeout-graceful-shutdown" in command


def test_it_listens_before_it_loads_and_exits_on_sigterm() -> None:
    """The worker gets a socket open on every address; SIGTERM during its start exits with 0."""
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
def test_a_bento_starts_by_the_entry_point(registered: str, tmp_path: Path) -> None:
    """A built bento that is started as in the image answers, and exits with 0."""
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
