"""Log lines that machines read, or people; no caller can forge one.

JSON where the service runs in a container, text elsewhere, or as `FLIGHT_DELAY_LOG_FORMAT` says.
Nothing of a body is ever logged.
"""

from __future__ import annotations

import json
import logging
import os
import re
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

LOGGERS = ("", "bentoml", "uvicorn.error", "circus")
"""Those to which BentoML gives handlers, the root among them."""
REQUEST = "request"
"""Attribute of a record that names the request: `logger.error(..., extra={REQUEST: ...})`."""

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


def configure(wanted: LogFormat) -> None:
    """Give every handler that BentoML set up the wanted format, and let our own lines through."""
    as_json = wanted is LogFormat.JSON or (wanted is LogFormat.AUTO and in_container())
    formatter = JsonFormatter() if as_json else TextFormatter()
    for name in LOGGERS:
        for handler in logging.getLogger(name).handlers:
            handler.setFormatter(formatter)
    logging.getLogger("flight_delay").setLevel(logging.INFO)


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
