"""Start the service in a container: `python -m serving.bento.entrypoint`, the image's entry point.

`bentoml serve` runs a supervisor and its workers, and each of these processes imports BentoML. A
container with one vCPU needs one worker, and its platform already restarts it. With one worker this
process therefore runs BentoML's worker itself, which halves the start time and the memory
(docs/image.md). With more workers it executes `bentoml serve`.
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
"""Time for requests in flight at SIGTERM; Cloud Run kills the container after 10 seconds."""
BENTO = Path(__file__).parents[3]
"""Folder of the bento, in which this file is `src/serving/bento/entrypoint.py`."""
_GC_THRESHOLD = 100_000


def main() -> None:
    """Listen on `PORT` at once, so that early connections wait instead of being refused; serve."""
    port = _port()
    drain = ["--timeout-graceful-shutdown", str(DRAIN_SECONDS)]
    if settings().workers > 1:
        command = ["bentoml", "serve", "--port", str(port), *drain, str(BENTO)]
        os.execvp(command[0], command)  # noqa: S606 - replaces this process; the image sets PATH
    # the kernel drops signals that the first process of a container does not handle
    signal.signal(signal.SIGTERM, _exit)
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
    """Raise the GC threshold during the start: imported modules are never collected."""
    gc.set_threshold(_GC_THRESHOLD, 50, 1000)


def _port() -> int:
    """Return the port to listen on; exit with one line where the variable holds none."""
    text = os.environ.get("PORT", str(DEFAULT_PORT))
    if text.isdecimal() and 0 < int(text) < 65_536:
        return int(text)
    sys.stderr.write(f"Invalid PORT: must be a number from 1 to 65535, not {text!r}.\n")
    raise SystemExit(INVALID_EXIT_CODE)


def _exit(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    main()
