"""Share the tag of the served model, the reload marker, among the workers of one supervisor.

The supervisor resolves the tag in the settings (`flight_delay:latest`) once, at its start, and
writes it into a file. A reload replaces it. Workers start from it and compare it with their model
every second. A restarted worker therefore serves the same model as the others, even if a newer one
has been registered since.

The file is in a temporary folder of mode 0700 that the supervisor makes. Workers find it by an
environment variable that also holds the process id of the supervisor. In any other process, and
after the supervisor has ended, the variable is ignored.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

VARIABLE = "FLIGHT_DELAY_SHARED"
_TAG, _SERVED = "tag", "served"


def share(tag: str) -> None:
    """Write the tag of the model to serve; called in the supervisor, before it starts workers."""
    folder = Path(tempfile.mkdtemp(prefix="flight-delay-"))
    (folder / _TAG).write_text(tag)
    os.environ[VARIABLE] = f"{os.getpid()}:{folder}"
    atexit.register(shutil.rmtree, folder, ignore_errors=True)


def folder() -> Path | None:
    """Return the folder that this worker shares with others; ``None`` without a supervisor."""
    pid, _, path = os.environ.get(VARIABLE, "").partition(":")
    return Path(path) if pid == str(os.getppid()) else None


def orphaned() -> bool:
    """Return whether this is a worker whose supervisor has ended."""
    return VARIABLE in os.environ and folder() is None


def remove() -> None:
    """Remove the folder, whether or not the supervisor still runs."""
    if path := os.environ.get(VARIABLE, "").partition(":")[2]:
        shutil.rmtree(path, ignore_errors=True)


def read_tag(folder: Path) -> str | None:
    """Return the tag of the model to serve; ``None`` where it cannot be read now."""
    try:
        return (folder / _TAG).read_text() or None
    except OSError:
        return None


def write_tag(folder: Path, tag: str) -> None:
    """Write the tag of the model that every worker is to serve.

    Raises
    ------
    OSError
        If it cannot be written; the file is unchanged then.
    """
    fresh = folder / f"{_TAG}.{os.getpid()}"
    fresh.write_text(tag)
    fresh.replace(folder / _TAG)


def mark_served() -> None:
    """Record that the service has served: from now on a failing worker does not end it."""
    with suppress(OSError):
        if path := folder():
            (path / _SERVED).touch()


def has_served() -> bool:
    """Return whether a worker of this supervisor has served."""
    path = folder()
    return path is not None and (path / _SERVED).exists()
