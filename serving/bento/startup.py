"""How a service starts under `bentoml serve`: in two processes, of which one serves.

The supervisor imports `service.py` to learn how many workers to start, and each worker imports it
again to serve. So the supervisor only checks that the model is there and whole, which takes
milliseconds; it loads neither the model nor what answers with it. Whether the model also suits
this version of the code shows in the worker. Where it does not, the worker says so in one line
and has the supervisor end too, instead of starting one worker after the other.
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
"""Sent by a worker to its supervisor."""
AGAIN_SECONDS = 5.0
logger = logging.getLogger("flight_delay")

_SUMS_FILE = "SHA256SUMS"
"""As in `model.inference.bundle`, which the supervisor does not import; a test compares them."""


def supervises() -> bool:
    """Whether this process is the supervisor of `bentoml serve`."""
    context = click.get_current_context(silent=True)
    return context is not None and context.info_name == "serve"


def bundles(reference: str) -> list[tuple[str, Bundle]]:
    """Return the model to be served; nothing in the supervisor, which only checks its files.

    Leaves the process, with one clear line, where there is no such model or it is not whole.
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
    """Read the bundle to be served: what the other workers serve, or else what is named.

    Where that fails, leave the process, and so does its parent; but a service that has served goes
    on, and this worker waits until the model can be read.
    """
    said = ""
    while True:
        if served_tag.orphaned():
            message = "the supervisor has gone"
            raise SystemExit(message)
        folder = served_tag.folder()
        try:
            return store.require((folder and served_tag.read_tag(folder)) or reference)
        except SystemExit as error:
            if not served_tag.has_served():
                if folder is not None:
                    os.kill(os.getppid(), REFUSED)
                raise
            if said != str(error):
                said = str(error)
                logger.error("this worker waits for its model: %s", said)  # noqa: TRY400 - the text says it all
        time.sleep(AGAIN_SECONDS)


def _supervise() -> None:
    """Check the port, and bound the stop of the service."""
    from bentoml._internal.configuration.containers import BentoMLContainer  # noqa: PLC0415 - it is configured there and nowhere public

    from serving.bento import supervision  # noqa: PLC0415 - the workers need neither
    from serving.http import listening  # noqa: PLC0415 - the workers need neither

    options, configured = click.get_current_context().params, BentoMLContainer.http
    host, port = options["host"] or configured.host.get(), options["port"]
    listening.check_free(host, configured.port.get() if port is None else port)
    supervision.install(options["timeout_graceful_shutdown"])


def _is_whole(folder: Path) -> bool:
    """Whether the files are as they were written; why not is said by whoever reads them."""
    try:
        lines = (folder / _SUMS_FILE).read_text().splitlines()
        sums = [line.split("  ", 1) for line in lines]
        return bool(sums) and all(_sha256(folder / name) == expected for expected, name in sums)
    except (OSError, ValueError):
        return False


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _end(_signal: int, _frame: FrameType | None) -> None:
    """Stop the other workers and end, as a failure."""
    served_tag.remove()
    atexit.register(os._exit, 1)
    os.kill(os.getpid(), signal.SIGTERM)
