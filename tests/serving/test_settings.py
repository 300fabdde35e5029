"""A mistake in the settings ends the start with one line, before any worker, without secrets."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from serving.api.auth import digest
from serving.settings import Settings
from tests.support.server import PROJECT, free_port

SECRET = "hunter2"  # noqa: S105 - too short to be accepted  # pragma: allowlist secret
URL = f"sql:mysql+pymysql://board:{SECRET}@localhost/flights"
MISTAKES = [
    ("MAX_BATCH", "1", "greater than or equal to 2"),
    ("WORKERS", "two", "valid integer"),
    ("WORKERS", "0", "greater than or equal to 1"),
    ("LOG_FORMAT", "xml", "'auto', 'json' or 'text'"),
    ("READ_SECONDS", "inf", "finite number"),
    ("MODEL", "flight_delay:", "must be a tag"),
    ("ADMIN_TOKEN", SECRET, "16 characters"),
    ("ADMIN_TOKEN_FILE", "{folder}/short", "16 characters"),
    ("ADMIN_TOKEN_FILE", "{folder}", "not point to a file"),
    ("API_KEYS_FILE", "{folder}/none", "not point to a file"),
    ("API_KEYS_FILE", "{folder}/typo", "line 2 of the key file"),
    ("API_KEYS_FILE", "{folder}/binary", "not a text file"),
    ("PREDICTION_LOG", "kafka:topic", "must be off, stdout"),
    ("PREDICTION_LOG", URL, "the database driver pymysql is not installed"),
    ("PREDICTION_LOG", f"sql:nothing://board:{SECRET}@localhost/x", "SQLAlchemy does not accept"),
    ("PREDICTION_LOG", "parquet:{folder}/short/x", "not a folder in which files can be made"),
]
BOTH = [("MAX_BATCH", "1"), ("ADMIN_TOKEN", SECRET), ("ADMIN_TOKEN_FILE", "{folder}/short")]
BOTH += [("API_KEYS_FILE", "{folder}/typo"), ("PREDICTION_LOG", URL)]
IN_CONTAINER = ["-m", "serving.bento.entrypoint"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with files that are not valid for any setting."""
    (tmp_path / "short").write_text(f"{SECRET}\n")
    (tmp_path / "typo").write_text(f"board {digest('a key')}\nslow {SECRET}\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00" + SECRET.encode())
    return tmp_path


@pytest.mark.parametrize(("name", "value", "says"), MISTAKES)
def test_a_mistake_ends_the_container_with_one_line(
    folder: Path, name: str, value: str, says: str
) -> None:
    """It names the variable and the mistake; the exit code is 2."""
    line = _message(IN_CONTAINER, folder, **{f"FLIGHT_DELAY_{name}": value})
    assert line.startswith(f"Invalid FLIGHT_DELAY_{name}: ")
    assert says in line
    assert "Correct or unset it." in line


@pytest.mark.server
@pytest.mark.parametrize(("name", "value"), BOTH)
def test_a_mistake_ends_the_supervisor_before_any_worker(
    registered: str, folder: Path, name: str, value: str
) -> None:
    """`bentoml serve` with two workers writes it once and ends."""
    command = ["-m", "bentoml", "serve", "--port", str(free_port())]
    mistake = {f"FLIGHT_DELAY_{name}": value, "FLIGHT_DELAY_WORKERS": "2"}
    assert _message(command, folder, **mistake).startswith(f"Invalid FLIGHT_DELAY_{name}: ")


def test_a_queue_below_a_batch_is_refused(folder: Path) -> None:
    """The message names both settings and their values."""
    line = _message(IN_CONTAINER, folder, FLIGHT_DELAY_MAX_QUEUE="10")
    assert "FLIGHT_DELAY_MAX_QUEUE (10) is below FLIGHT_DELAY_MAX_BATCH (256)" in line


@pytest.mark.parametrize("port", ["http", "70000", "-1"])
def test_the_port_of_the_container_is_checked(folder: Path, port: str) -> None:
    """An invalid port is reported like an invalid setting."""
    assert _message(IN_CONTAINER, folder, PORT=port).startswith("Invalid PORT: ")


def test_all_mistakes_are_reported_together(folder: Path) -> None:
    """Two invalid settings give two lines."""
    mistakes = {"FLIGHT_DELAY_MAX_BATCH": "0", "FLIGHT_DELAY_MAX_BULK": "many"}
    assert len(_run(IN_CONTAINER, folder, mistakes).stderr.splitlines()) == 2


def test_valid_files_are_accepted(folder: Path) -> None:
    """A key file, a token file and a folder that does not exist yet; the token is stripped."""
    (folder / "keys").write_text(f"board {digest('a key')} 5\n")
    token = "0123456789abcdef"  # noqa: S105 - of this test  # pragma: allowlist secret
    (folder / "token").write_text(f"{token}\n")
    made = Settings(
        api_keys_file=folder / "keys",
        admin_token_file=folder / "token",
        prediction_log=f"parquet:{folder}/new/folder",
    )
    assert made.admin_secret == token
    assert not (folder / "new").exists()


def _message(arguments: list[str], folder: Path, **mistake: str) -> str:
    """Start with a mistake; return the only line that was written."""
    done = _run(arguments, folder, mistake)
    assert done.returncode == 2, done.stderr
    assert SECRET not in done.stdout + done.stderr
    [line] = done.stderr.splitlines()
    return line


def _run(
    arguments: list[str], folder: Path, mistakes: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    mistakes = {name: value.format(folder=folder) for name, value in mistakes.items()}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=PROJECT,
        env={**os.environ, "PORT": str(free_port()), **mistakes},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
