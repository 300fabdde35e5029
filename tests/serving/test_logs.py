"""Log lines: one per record, whatever a caller puts into it, readable by machines and people."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from serving import logs

EVIL = "x\r\n2026-01-01T00:00:00 INFO forged\x1b[2J\u2028\x00\x85"


def record(message: str, *, failed: bool = False) -> logging.LogRecord:
    """A record about a request, with or without a failure."""
    info = None
    if failed:
        try:
            int(EVIL)
        except ValueError:
            info = sys.exc_info()
    made = logging.LogRecord("flight_delay", logging.ERROR, "f", 1, "%s", (message,), info)
    setattr(made, logs.REQUEST, "r-1")
    return made


def test_json_lines_hold_everything() -> None:
    """A line is one JSON object with severity, message, request and failure."""
    line = logs.JsonFormatter().format(record(EVIL, failed=True))
    assert line.isprintable()
    told = json.loads(line)
    assert (told["severity"], told["message"], told["request"]) == ("ERROR", EVIL, "r-1")
    assert "ValueError" in told["error"]
    assert set(told) == {"time", "severity", "logger", "process", "message", "request", "error"}


@pytest.mark.parametrize("failed", [False, True])
def test_text_lines_cannot_be_forged(failed: bool) -> None:
    """Only the first line of a record begins like one; control characters are escaped."""
    first, *more = logs.TextFormatter().format(record(EVIL, failed=failed)).split("\n")
    assert "ERROR flight_delay: [r-1] x\\r" in first
    assert all(line.startswith("    ") for line in more)
    assert all(line.isprintable() for line in (first, *more))


def test_auto_is_json_in_a_container(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Cloud Run or Kubernetes say that they are there, lines are for machines."""
    handler = logging.StreamHandler()
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        for name in logs._CONTAINER_VARIABLES:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(logs, "_CONTAINER_FILES", ())
        logs.configure(logs.LogFormat.AUTO)
        assert isinstance(handler.formatter, logs.TextFormatter)
        monkeypatch.setenv("K_SERVICE", "flight-delay")
        logs.configure(logs.LogFormat.AUTO)
        assert isinstance(handler.formatter, logs.JsonFormatter)
        logs.configure(logs.LogFormat.TEXT)
        assert isinstance(handler.formatter, logs.TextFormatter)
    finally:
        root.removeHandler(handler)
