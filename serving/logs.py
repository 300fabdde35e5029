"""Log lines as JSON or text, written by a thread.

The format is JSON in a container and text elsewhere, unless `FLIGHT_DELAY_LOG_FORMAT` names one.
Control characters are escaped, so the values of a request cannot forge a line. Bodies are never
logged. A thread writes the lines, because a write to a standard output that is not read blocks, and
must not block the event loop.
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
"""Loggers to which BentoML adds handlers; the empty name is the root logger."""
REQUEST = "request"
"""Attribute of a record with the request id: `logger.error(..., extra={REQUEST: ...})`."""

WAITING_LINES = 1_000
"""Most lines that wait to be written; further ones are dropped and counted."""
FLUSH_SECONDS = 2.0
"""Longest wait at the end of the process for lines to be written."""

_CONTAINER_VARIABLES = ("K_SERVICE", "KUBERNETES_SERVICE_HOST", "container")
_CONTAINER_FILES = ("/.dockerenv", "/run/.containerenv")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class LogFormat(StrEnum):
    """Format of log lines."""

    AUTO = "auto"
    """`json` in a container, else `text`."""
    JSON = "json"
    """One JSON object per line, with the fields `severity`, `time`, `message` of Cloud Logging."""
    TEXT = "text"
    """Text for people to read."""


class QueuedHandler(logging.Handler):
    """Handler that formats a record at once and lets a thread write it.

    The thread writes to a file descriptor and not to `sys.stdout`, which the interpreter flushes
    at exit: that would wait for a thread that is blocked in a write.

    Attributes
    ----------
    dropped
        Number of lines lost since the process began: the queue was full, or a write failed.
    """

    def __init__(self, descriptor: int = 1, capacity: int = WAITING_LINES) -> None:
        super().__init__()
        self.dropped = 0
        self._descriptor = descriptor
        self._lines: Queue[bytes] = Queue(capacity)
        threading.Thread(target=self._write, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Format the record and queue it; never block."""
        try:
            self._lines.put_nowait(f"{self.format(record)}\n".encode(errors="backslashreplace"))
        except Full:
            self.dropped += 1
        except Exception:  # noqa: BLE001 - formatting a record may raise anything
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
            except OSError:  # the reading end was closed
                self.dropped += 1
            finally:
                self._lines.task_done()


_queued: list[QueuedHandler] = []
"""Handler of this process; empty before `configure`."""


def configure(wanted: LogFormat) -> None:
    """Replace BentoML's handlers for standard output by a queued one with the wanted format."""
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
    """Return whether this process runs in a container, by its variables and files."""
    named = any(name in os.environ for name in _CONTAINER_VARIABLES)
    return named or any(Path(name).exists() for name in _CONTAINER_FILES)


class JsonFormatter(logging.Formatter):
    """Formatter that writes one JSON object per line, with control characters escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON."""
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
    """Formatter that writes time, severity and message.

    Lines after the first are indented and control characters escaped, so no value can forge a
    record.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text, with the traceback where there is one."""
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
