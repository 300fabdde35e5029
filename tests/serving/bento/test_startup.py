"""Start under `bentoml serve`: what the supervisor imports, and models that end the start."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from model.inference.bundle import FEATURES_FILE, SUMS_FILE
from serving.bento import startup
from serving.models import served_tag, store
from tests.support.server import PROJECT, free_port

AS_SUPERVISOR = """
import sys
import click
context = click.Context(click.Command("serve"), info_name="serve")
context.params = {"host": "127.0.0.1", "port": 0, "timeout_graceful_shutdown": None}
with context:
    import service
assert service.at_start == []
print(*sys.modules)
"""


@pytest.fixture
def copied(registered: str, tmp_path: Path) -> Path:
    """Return the folder of a registered model in a store of its own, `tmp_path`."""
    folder = Path(store.find(registered).path)
    home = tmp_path / "models" / folder.parent.name
    shutil.copytree(folder, home / folder.name)
    (home / "latest").write_text(folder.name)
    return home / folder.name


def test_the_supervisor_imports_no_model_and_no_scoring_code(registered: str) -> None:
    """It imports service.py without numpy, features, Booster, metrics or a server."""
    done = subprocess.run(
        [sys.executable, "-c", AS_SUPERVISOR],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    heavy = {
        "numpy",
        "features",
        "model.inference.bundle",
        "model.inference.booster",
        "uvicorn",
        "prometheus_client",
    }
    assert not heavy & set(done.stdout.split())


def test_only_bentoml_serve_is_a_supervisor() -> None:
    """In another process, such as this one, the model is read at once."""
    assert not startup.supervises()


def test_the_file_of_sums_has_one_name() -> None:
    """The supervisor reads the file that the bundle writes."""
    assert startup._SUMS_FILE == SUMS_FILE


@pytest.mark.server
def test_without_a_model_the_start_names_the_command(tmp_path: Path) -> None:
    """Where no model is registered, `bentoml serve` names the command that trains one."""
    code, said = _serve(tmp_path)
    assert code == 1
    assert "python train.py" in said


@pytest.mark.server
def test_a_damaged_model_ends_the_start(copied: Path, tmp_path: Path) -> None:
    """A file that differs from its sum is named by the supervisor, which starts no worker."""
    (copied / FEATURES_FILE).write_text("{}")
    code, said = _serve(tmp_path)
    assert code == 1
    assert said.strip().splitlines()[-1].startswith(f"{copied / FEATURES_FILE} is damaged")


@pytest.mark.server
def test_a_model_of_another_version_ends_the_start(copied: Path, tmp_path: Path) -> None:
    """A worker that cannot read an undamaged bundle logs it once; the supervisor exits with 1."""
    _write_as_another_version(copied)
    code, said = _serve(tmp_path)
    assert code == 1
    assert said.count("was written by another version of this code") == 1
    assert "Traceback" not in said


@pytest.mark.server
def test_a_port_in_use_is_one_line(copied: Path, tmp_path: Path) -> None:
    """Where another process listens on the port, the supervisor prints one line and exits."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        code, said = _serve(tmp_path, other.getsockname()[1])
    assert code == 1
    assert len(said.strip().splitlines()) == 1, said
    assert said.startswith("cannot listen on ")


@pytest.mark.server
def test_a_port_in_use_is_one_line_in_a_container(registered: str) -> None:
    """The image's entry point prints the same line."""
    with socket.create_server(("0.0.0.0", 0)) as other:  # noqa: S104 - as the entry point does
        done = subprocess.run(
            [sys.executable, "-m", "serving.bento.entrypoint"],
            cwd=PROJECT,
            env={**os.environ, "PORT": str(other.getsockname()[1])},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert done.stderr.startswith("cannot listen on 0.0.0.0:")


def test_a_worker_signals_its_parent_only_if_it_is_the_supervisor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker signals the process of the environment variable only if that is its parent."""
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda *each: sent.append(each))
    for pid in (None, os.getpid(), os.getppid()):
        if pid is not None:
            monkeypatch.setenv(served_tag.VARIABLE, f"{pid}:{tmp_path}")
        with pytest.raises(SystemExit):
            startup.require("no_such_model:latest")
    assert sent == [(os.getppid(), signal.SIGUSR1)]


def _serve(home: Path, port: int | None = None) -> tuple[int, str]:
    command = [sys.executable, "-m", "bentoml", "serve", "--port", str(port or free_port())]
    done = subprocess.run(
        command,
        cwd=PROJECT,
        env={**os.environ, "BENTOML_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stderr


def _write_as_another_version(folder: Path) -> None:
    path, sums = folder / FEATURES_FILE, folder / SUMS_FILE
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 0}))
    after = hashlib.sha256(path.read_bytes()).hexdigest()
    sums.write_text(sums.read_text().replace(before, after))
