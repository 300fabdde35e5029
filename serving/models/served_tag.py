"""What the processes of one `bentoml serve` share: the tag of the model that they serve.

The supervisor resolves the tag that the settings name (`flight_delay:latest`) once, at its start,
and writes it into a file. A reload replaces it. Workers start from it, and look at it every second,
so a worker that is restarted serves what the others serve, whatever has been registered since.

The file stands in a temporary folder that the supervisor makes for itself and nobody else may
enter. Its workers learn of it from an environment variable, which holds the process id of the
supervisor too: in any other process, and once the supervisor has gone, it names nothing.
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
    """Name the model to be served; called in the supervisor, before it starts workers."""
    folder = Path(tempfile.mkdtemp(prefix="flight-delay-"))
    (folder / _TAG).write_text(tag)
    os.environ[VARIABLE] = f"{os.getpid()}:{folder}"
    atexit.register(shutil.rmtree, folder, ignore_errors=True)


def folder() -> Path | None:
    """Return the folder that this worker shares with others; nothing without a supervisor."""
    pid, _, path = os.environ.get(VARIABLE, "").partition(":")
    return Path(path) if pid == str(os.getppid()) else None


def orphaned() -> bool:
    """Whether this is a worker whose supervisor has gone."""
    return VARIABLE in os.environ and folder() is None


def remove() -> None:
    """Remove the folder, whether or not the supervisor lives."""
    if path := os.environ.get(VARIABLE, "").partition(":")[2]:
        shutil.rmtree(path, ignore_errors=True)


def read_tag(folder: Path) -> str | None:
    """Return the tag of the model to serve; nothing where it cannot be read now."""
    try:
        return (folder / _TAG).read_text() or None
    except OSError:
        return None


def write_tag(folder: Path, tag: str) -> None:
    """Name the model to be served by every worker.

    Raises
    ------
    OSError
        If it cannot be written; then the tag in place stays.
    """
    fresh = folder / f"{_TAG}.{os.getpid()}"
    fresh.write_text(tag)
    fresh.replace(folder / _TAG)


def mark_served() -> None:
    """Note that the service has served: a worker that fails from now on does not end it."""
    with suppress(OSError):
        if path := folder():
            (path / _SERVED).touch()


def has_served() -> bool:
    """Whether a worker of this supervisor has served."""
    path = folder()
    return path is not None and (path / _SERVED).exists()
