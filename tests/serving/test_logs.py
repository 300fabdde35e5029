"""Log lines: one record each, whatever its values contain, as JSON or text."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from contextlib import suppress

import httpx
import pytest

from serving import logs
from tests.faults.conftest import wait_for
from tests.support.server import PROJECT, free_port

JSON = {"content-type": "application/json"}
EVIL = "x\r\n2026-01-01T00:00:00 INFO forged\x1b[2J\u2028\x00\x85"


def record(message: str, *, failed: bool = False) -> logging.LogRecord:
    """Return a record about a request, with or without a traceback."""
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
    """A line is one JSON object with severity, message, request id and traceback."""
    line = logs.JsonFormatter().format(record(EVIL, failed=True))
    assert line.isprintable()
    parsed = json.loads(line)
    assert (parsed["severity"], parsed["message"], parsed["request"]) == ("ERROR", EVIL, "r-1")
    assert "ValueError" in parsed["error"]
    assert set(parsed) == {"time", "severity", "logger", "process", "message", "request", "error"}


@pytest.mark.parametrize("failed", [False, True])
def test_text_lines_cannot_be_forged(failed: bool) -> None:
    """Only the first line of a record begins like one; control characters are escaped."""
    first, *more = logs.TextFormatter().format(record(EVIL, failed=failed)).split("\n")
    assert "ERROR flight_delay: [r-1] x\\r" in first
    assert all(line.startswith("    ") for line in more)
    assert all(line.isprintable() for line in (first, *more))


def test_auto_is_json_in_a_container(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines are JSON where a variable of Cloud Run or Kubernetes is set."""
    monkeypatch.setattr(logs, "_queued", [])
    for name in logs._CONTAINER_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(logs, "_CONTAINER_FILES", ())
    logs.configure(logs.LogFormat.AUTO)
    [handler] = logs._queued
    assert isinstance(handler.formatter, logs.TextFormatter)
    monkeypatch.setenv("K_SERVICE", "flight-delay")
    logs.configure(logs.LogFormat.AUTO)
    assert isinstance(handler.formatter, logs.JsonFormatter)
    logs.configure(logs.LogFormat.TEXT)
    assert isinstance(handler.formatter, logs.TextFormatter)


def test_lines_to_a_full_pipe_are_kept_in_order_or_counted() -> None:
    """A full pipe never blocks; lines beyond the capacity are lost, the others written later."""
    reading, writing = os.pipe()
    _fill(writing)
    handler = logs.QueuedHandler(writing, capacity=10)
    handler.setFormatter(logs.TextFormatter())
    for number in range(30):
        handler.handle(record(f"line {number}"))
    # the thread holds one line, or none if it had no turn yet
    assert handler.dropped in {19, 20}
    while b"line 9" not in (read := os.read(reading, 65_536)):
        assert read
    handler.flush()
    assert not handler._lines.unfinished_tasks
    os.close(reading)
    before = handler.dropped
    handler.handle(record("to a closed pipe"))
    handler.flush()
    assert handler.dropped == before + 1


@pytest.mark.server
@pytest.mark.parametrize("sink", ["off", "stdout"])
def test_a_blocked_standard_output_does_not_stop_the_service(registered: str, sink: str) -> None:
    """While the pipe is full, requests are answered, lines counted, and SIGTERM stops it."""
    reading, writing = os.pipe()
    url = f"http://127.0.0.1:{free_port()}"
    token = "a token of sixteen characters"  # noqa: S105 - of this test  # pragma: allowlist secret
    process = subprocess.Popen(
        [sys.executable, "-m", "bentoml", "serve", "--port", url.rpartition(":")[2]],
        cwd=PROJECT,
        env={
            **os.environ,
            "FLIGHT_DELAY_ADMIN_TOKEN": token,
            "FLIGHT_DELAY_PREDICTION_LOG": sink,
        },
        stdout=writing,
    )
    try:
        wait_for(lambda: _status("GET", f"{url}/readyz") == 200, seconds=120)
        _fill(writing)
        body = (PROJECT / "tests" / "request.json").read_bytes()
        with httpx.Client(timeout=30) as client:
            for _ in range(logs.WAITING_LINES + 20):  # each of these writes a line
                assert client.post(f"{url}/admin/reload").status_code == 401
            assert client.post(f"{url}/predict_delay", content=body, headers=JSON).is_success
            text = client.get(f"{url}/metrics").text
        dropped = re.search(r"^flight_delay_log_lines_dropped_total (\S+)$", text, re.MULTILINE)
        assert dropped is not None
        assert float(dropped[1]) >= 18
        process.terminate()
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()
        os.close(reading)
        os.close(writing)


def _fill(pipe: int) -> None:
    """Fill a pipe by its own file description, so that the others still block."""
    own = os.open(f"/proc/self/fd/{pipe}", os.O_WRONLY | os.O_NONBLOCK)
    with suppress(BlockingIOError):
        while True:
            os.write(own, b"\n")
    os.close(own)


def _status(method: str, url: str) -> int:
    with suppress(httpx.TransportError):
        return httpx.request(method, url, timeout=30).status_code
    return 0
