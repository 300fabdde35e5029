"""Start under `bentoml serve`: check the model in the supervisor, load it in the workers.

The supervisor imports `service.py` to learn how many workers to start, and each worker imports it
again to serve. The supervisor only checks the files of the model against their sums, which takes
milliseconds; it imports neither the model code nor the scoring code. A worker whose code cannot
read the model logs one line and signals the supervisor to exit, which would otherwise restart
workers for ever.
"""

from __future__ import annotations

import atexit
import hashlib
import logging
import os
import signal
import time
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from serving.errors import NoModelRegistered
from serving.models import served_tag, store

if TYPE_CHECKING:
    from model.inference.bundle import Bundle

REFUSED = signal.SIGUSR1
"""Signal of a worker to its supervisor that the model cannot be served."""
RETRY_SECONDS = 5.0
logger = logging.getLogger("flight_delay")

_SUMS_FILE = "SHA256SUMS"
"""Same name as in `model.inference.bundle`, which the supervisor does not import; see the test."""


def supervises() -> bool:
    """Return whether this process is the supervisor of `bentoml serve`."""
    context = click.get_current_context(silent=True)
    return context is not None and context.info_name == "serve"


def bundles(reference: str) -> list[tuple[str, Bundle]]:
    """Return the model to be served in a worker; in the supervisor check its files, return nothing.

    Exits with one line where there is no such model or a file differs from its sum.
    """
    if not supervises():
        return [require(reference)]
    try:
        model = store.find(reference)
        if not _is_whole(Path(model.path)):
            return [require(reference)]
    except NoModelRegistered as error:
        raise SystemExit(str(error)) from error
    _supervise()
    served_tag.share(str(model.tag))
    signal.signal(REFUSED, _end)
    return []


def require(reference: str) -> tuple[str, Bundle]:
    """Read the bundle to be served: the model of the other workers, or else the given tag.

    Where that fails before the service has served, this process and its supervisor exit. Where it
    fails later, this worker retries until the model can be read.
    """
    logged = ""
    while True:
        if served_tag.orphaned():
            message = "the supervisor has ended"
            raise SystemExit(message)
        folder = served_tag.folder()
        try:
            return store.require((folder and served_tag.read_tag(folder)) or reference)
        except SystemExit as error:
            if not served_tag.has_served():
                if folder is not None:
                    os.kill(os.getppid(), REFUSED)
                raise
            if logged != str(error):
                logged = str(error)
                logger.error("this worker waits for its model: %s", logged)  # noqa: TRY400 - the message is complete
        time.sleep(RETRY_SECONDS)


def _supervise() -> None:
    """Check that the port is free, and limit the time of the stop."""
    from bentoml._internal.configuration.containers import BentoMLContainer  # noqa: PLC0415 - it is configured there and nowhere public

    from serving.bento import supervision  # noqa: PLC0415 - not needed in the workers
    from serving.http import listening  # noqa: PLC0415 - not needed in the workers

    options, configured = click.get_current_context().params, BentoMLContainer.http
    host, port = options["host"] or configured.host.get(), options["port"]
    listening.check_free(host, configured.port.get() if port is None else port)
    supervision.install(options["timeout_graceful_shutdown"])


def _is_whole(folder: Path) -> bool:
    """Return whether all files match their sums; `store.require` then names the difference."""
    try:
        lines = (folder / _SUMS_FILE).read_text().splitlines()
        sums = [line.split("  ", 1) for line in lines]
        return bool(sums) and all(_sha256(folder / name) == expected for expected, name in sums)
    except (OSError, ValueError):
        return False


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _end(_signal: int, _frame: FrameType | None) -> None:
    """Stop the other workers and exit with 1."""
    served_tag.remove()
    atexit.register(os._exit, 1)
    os.kill(os.getpid(), signal.SIGTERM)
