"""Starts the service in a container: `python -m serving.bento.entrypoint`, the image's entry point.

`bentoml serve` starts a supervisor that imports BentoML, and the supervisor starts workers that
import it again (what the supervisor is spared, `serving.bento.startup` says). With one worker,
which is what a vCPU wants, the container's platform already is the supervisor: here the process is
BentoML's
own worker, and the container starts in half the time and memory (docs/image.md). With more workers
it becomes `bentoml serve`.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
from pathlib import Path
from types import FrameType

from serving.http.listening import cannot_listen
from serving.models import served_tag
from serving.settings import INVALID_EXIT_CODE, settings

DEFAULT_PORT = 3000
HOST = "0.0.0.0"  # noqa: S104 - a container is reached from outside  # nosec B104
BACKLOG = 2048
DRAIN_SECONDS = 8
"""For what is in flight at SIGTERM; Cloud Run kills after 10."""
BENTO = Path(__file__).parents[3]
"""The bento's folder: this file is `src/serving/bento/entrypoint.py` in it."""
_ROOMY = 100_000


def main() -> None:
    """Listen on `PORT` at once, so that early callers wait and are not refused; then serve."""
    port = _port()
    drain = ["--timeout-graceful-shutdown", str(DRAIN_SECONDS)]
    if settings().workers > 1:
        command = ["bentoml", "serve", "--port", str(port), *drain, str(BENTO)]
        os.execvp(command[0], command)  # noqa: S606 - it becomes the server; the image sets PATH
    # the first process of a container ignores signals that it does not handle
    signal.signal(signal.SIGTERM, _leave)
    relax_gc()
    os.environ.pop(served_tag.VARIABLE, None)  # this process has no supervisor
    try:
        listener = socket.create_server((HOST, port), backlog=BACKLOG)
    except OSError as error:
        raise SystemExit(cannot_listen(HOST, port, error)) from None
    from _bentoml_impl.worker import service  # type: ignore[import-untyped] # noqa: PLC0415 - after the port is open

    arguments = ["--fd", str(listener.detach()), "--worker-id", "1", "--backlog", str(BACKLOG)]
    service.main([str(BENTO), *arguments, *drain])


def relax_gc() -> None:
    """Look for garbage seldom: what is imported stays, and looking is a tenth of the start."""
    gc.set_threshold(_ROOMY, 50, 1000)


def _port() -> int:
    """Return the port to listen on; leave with one line where the variable holds none."""
    text = os.environ.get("PORT", str(DEFAULT_PORT))
    if text.isdecimal() and 0 < int(text) < 65_536:
        return int(text)
    sys.stderr.write(f"Invalid PORT: must be a number from 1 to 65535, not {text!r}.\n")
    raise SystemExit(INVALID_EXIT_CODE)


def _leave(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    main()
