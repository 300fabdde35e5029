"""Make the virtual environment of each baseline from its hash-pinned lock."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from load.tools.server_process import PROJECT

REQUIREMENTS = Path(__file__).parent / "requirements"
ENVIRONMENTS = PROJECT / ".tools" / "peers"
INSTALL_SECONDS = 900


class BaselineError(Exception):
    """Error that a baseline cannot be installed or run, with the reason."""


def interpreter(requirements: str | None) -> Path:
    """Return the interpreter of a lock's environment, and make the environment if necessary.

    Raises
    ------
    BaselineError
        If it cannot be installed.
    """
    if requirements is None:
        return Path(sys.executable)
    lock = REQUIREMENTS / f"{requirements}.txt"
    folder = ENVIRONMENTS / requirements
    python, stamp = folder / "bin" / "python", folder / "lock.sha256"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    if not stamp.is_file() or stamp.read_text() != digest:
        uv = find_uv()
        _run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)])
        install = [uv, "pip", "install", "--quiet", "--require-hashes", "--python", str(python)]
        _run([*install, "-r", str(lock)])
        stamp.write_text(digest)
    return python


def find_uv() -> str:
    """Return the path of uv: from ``UV``, of the project, or on the search path.

    Raises
    ------
    BaselineError
        If there is none.
    """
    own = PROJECT / ".tools" / "bin" / "uv"
    found = os.environ.get("UV") or (str(own) if own.exists() else shutil.which("uv"))
    if not found:
        message = "uv is needed for the baselines' environments: make .tools/bin/uv"
        raise BaselineError(message)
    return found


def versions(python: Path, packages: tuple[str, ...]) -> dict[str, str]:
    """Return the versions of packages in an interpreter's environment."""
    code = "import sys; from importlib.metadata import version as v; print(*map(v, sys.argv[1:]))"
    done = subprocess.run(  # noqa: S603 - an interpreter of ours
        [str(python), "-c", code, *packages], capture_output=True, text=True, check=False
    )
    return dict(zip(packages, done.stdout.split(), strict=False))


def _run(command: list[str]) -> None:
    done = subprocess.run(  # noqa: S603 - uv, with arguments made here
        command, capture_output=True, text=True, check=False, timeout=INSTALL_SECONDS
    )
    if done.returncode != 0:
        raise BaselineError(done.stderr.strip() or done.stdout.strip())
