"""Make a folder in which the workers of one supervisor add up their metrics.

prometheus_client adds up the counts of several processes through files that each of them maps into
memory. BentoML keeps these files in one folder of its home and empties it at every start, also at
the start of another service with the same home. Here each supervisor makes its own folder. A single
worker needs none: it counts in its own memory, which is faster.

This module does not import prometheus_client, which reads the environment variable once, when it is
imported.
"""

from __future__ import annotations

import atexit
import fcntl
import logging
import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
PREFIX = "flight-delay-metrics-"
KINDS = ("counter", "gauge_livesum", "histogram")
"""Kinds of metrics in `serving.metrics`; prometheus_client keeps a file of each per process."""
RESERVED_BYTES = 32_768
"""Size of each file; twice the need of the largest."""
YOUNG_SECONDS = 60.0

logger = logging.getLogger("flight_delay")


def create(workers: int) -> None:
    """Replace BentoML's folder by a new one; by none with one worker. Called in the supervisor.

    The folder is removed when the supervisor ends. Folders of supervisors that were killed are
    removed here.
    """
    import bentoml.serving  # noqa: PLC0415 - slow, and only the supervisor needs it

    folder = _make() if workers > 1 else ""
    bentoml.serving.ensure_prometheus_dir = lambda **_options: folder


def attach(workers: int) -> str | None:
    """Make this worker count in the folder of its supervisor, or else in its own memory.

    Must be called before prometheus_client is imported. Disk space is reserved first: on a full
    disk, a write to mapped memory kills the process by SIGBUS.

    Returns
    -------
    str | None
        Reason why one of several workers counts in its own memory; ``None`` if there is none.
    """
    folder = os.environ.get(VARIABLE, "")
    problem = None
    if workers > 1 and folder:
        try:
            _reserve(Path(folder))
        except OSError as error:
            problem = f"no room for metrics in {folder} ({error.strerror})"
        else:
            return None
    elif workers > 1:
        problem = f"there is no folder for metrics in {tempfile.gettempdir()}"
    os.environ.pop(VARIABLE, None)
    return problem and f"{problem}: /metrics of this worker shows its own counts only"


def _make() -> str:
    """Make a folder and lock it until this process ends."""
    _remove_abandoned()
    try:
        folder = tempfile.mkdtemp(prefix=PREFIX)
        fcntl.flock(os.open(folder, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        logger.warning("metrics: no folder could be made for the workers to share: %s", error)
        return ""
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _remove_abandoned() -> None:
    """Remove the folders that no process locks; a new one may not be locked yet."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):  # locked, owned by another user, or removed by another process
            if time.time() - folder.stat().st_mtime < YOUNG_SECONDS:
                continue
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(handle)


def _reserve(folder: Path) -> None:
    """Create the files of this process and reserve their disk space, all of them or none."""
    files = [folder / f"{kind}_{os.getpid()}.db" for kind in KINDS]
    try:
        for file in files:
            handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                os.posix_fallocate(handle, 0, RESERVED_BYTES)
            finally:
                os.close(handle)
    except OSError:
        for file in files:
            file.unlink(missing_ok=True)
        raise
