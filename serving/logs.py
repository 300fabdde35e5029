"""Log lines that machines read, or people; no caller can forge one.

JSON where the service runs in a container, text elsewhere, or as `FLIGHT_DELAY_LOG_FORMAT` says.
Nothing of a body is ever logged. A thread writes the lines: a standard output that nobody reads
blocks whoever writes to it, and that must not be the event loop.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from queue import Full, Queue
from typing import Any

LOGGERS = ("", "bentoml", "uvicorn.error", "circus")
"""Those to which BentoML gives handlers, the root among them."""
REQUEST = "request"
"""Attribute of a record that names the request: `logger.error(..., extra={REQUEST: ...})`."""

WAITING_LINES = 1_000
"""Lines that may wait to be written; those beyond are dropped and counted."""
FLUSH_SECONDS = 2.0
"""How long the end of the process waits for lines to be written."""

_CONTAINER_VARIABLES = ("K_SERVICE", "KUBERNETES_SERVICE_HOST", "container")
_CONTAINER_FILES = ("/.dockerenv", "/run/.containerenv")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class LogFormat(StrEnum):
    """How log lines are written."""

    AUTO = "auto"
    """`json` in a container, else `text`."""
    JSON = "json"
    """One object a line; `severity`, `time` and `message` as Cloud Logging reads them."""
    TEXT = "text"
    """For people."""


class QueuedHandler(logging.Handler):
    """Handler that formats a record at once and leaves the writing to a thread.

    The thread writes to a file descriptor, not to `sys.stdout`: the interpreter flushes that at
    its end, and would wait for a thread that is blocked in it.

    Attributes
    ----------
    dropped
        Lines that were lost since the process began: there was no room, or nobody to read them.
    """

    def __init__(self, descriptor: int = 1, capacity: int = WAITING_LINES) -> None:
        super().__init__()
        self.dropped = 0
        self._descriptor = descriptor
        self._lines: Queue[bytes] = Queue(capacity)
        threading.Thread(target=self._write, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Format the record and queue the line; never wait."""
        try:
            self._lines.put_nowait(f"{self.format(record)}\n".encode(errors="backslashreplace"))
        except Full:
            self.dropped += 1
        except Exception:  # noqa: BLE001 - what a record may raise that cannot be formatted
            self.handleError(record)

    def flush(self) -> None:
        """Wait until all lines are written, for a bounded time."""
        with self._lines.all_tasks_done:
            self._lines.all_tasks_done.wait_for(
                lambda: not self._lines.unfinished_tasks, FLUSH_SECONDS
            )

    def _write(self) -> None:
        while True:
            line = self._lines.get()
            try:
                while line:
                    line = line[os.write(self._descriptor, line) :]
            except OSError:  # whoever read it has gone
                self.dropped += 1
            finally:
                self._lines.task_done()


_queued: list[QueuedHandler] = []
"""The one that writes for this process, once there is one."""


def configure(wanted: LogFormat) -> None:
    """Write, in the wanted format and from a thread, what BentoML's handlers write to stdout."""
    if not _queued:
        _queued.append(QueuedHandler())
    as_json = wanted is LogFormat.JSON or (wanted is LogFormat.AUTO and in_container())
    _queued[0].setFormatter(JsonFormatter() if as_json else TextFormatter())
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers = [_queued[0] if _is_stdout(each) else each for each in logger.handlers]
    logging.getLogger("flight_delay").setLevel(logging.INFO)


def _is_stdout(handler: logging.Handler) -> bool:
    return isinstance(handler, logging.StreamHandler) and handler.stream is sys.stdout


def dropped_lines() -> int:
    """Return how many log lines this process could not write."""
    return _queued[0].dropped if _queued else 0


def in_container() -> bool:
    """Whether this process runs in a container, as far as it can see."""
    told = any(name in os.environ for name in _CONTAINER_VARIABLES)
    return told or any(Path(name).exists() for name in _CONTAINER_FILES)


class JsonFormatter(logging.Formatter):
    """One JSON object a line; JSON's own escapes keep line ends and control characters out."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "time": _time(record),
            "severity": record.levelname,
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage(),
        }
        if request := getattr(record, REQUEST, None):
            line["request"] = request
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line)


class TextFormatter(logging.Formatter):
    """Time, severity, message; what follows the first line is indented, so it cannot pass for one.

    Control characters are written as escapes.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and the traceback where there is one."""
        request = getattr(record, REQUEST, None)
        about = f" [{_escaped(str(request))}]" if request else ""
        message = _indented(record.getMessage())
        line = f"{_time(record)} {record.levelname} {record.name}:{about} {message}"
        if record.exc_info:
            line += "\n    " + _indented(self.formatException(record.exc_info))
        return line


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _indented(text: str) -> str:
    return "\n    ".join(_escaped(line) for line in text.split("\n"))


def _escaped(text: str) -> str:
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
