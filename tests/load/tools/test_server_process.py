"""Servers start, fail to start and stop; processor time and memory of processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from load.tools import server_process
from load.tools.measure import cores_used

SERVER = """
import http.server, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_response(200); self.send_header("content-length", "0"); self.end_headers()
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
PROBE = server_process.Probe("/", b"{}")


def test_a_server_is_measured_and_leaves_no_process(tmp_path: Path) -> None:
    """Its child process is counted, and stopped with it."""
    command = [sys.executable, "-c", SERVER, "{port}"]
    with server_process.Server(command, PROBE, tmp_path / "log", start_limit=30) as server:
        pids = server.pids
        assert len(pids) == 2
        assert server.start_seconds > 0
        assert server.memory_mb() > 1
        assert sum(server.cpu().values()) >= 0
    assert [pid for pid in pids if server_process.started_at(pid) is not None] == []


def test_a_server_that_exits_is_reported_with_its_log(tmp_path: Path) -> None:
    """The error holds the output of the server."""
    command = [sys.executable, "-c", "raise SystemExit('no model')"]
    with (
        pytest.raises(server_process.ServerError, match="no model"),
        server_process.Server(command, PROBE, tmp_path / "log"),
    ):
        pass


def test_a_server_that_never_answers_is_stopped(tmp_path: Path) -> None:
    """The error names the time limit."""
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    server = server_process.Server(command, PROBE, tmp_path / "log", start_limit=0.1)
    with pytest.raises(server_process.ServerError, match="no answer after"), server:
        pass


def test_an_ended_process_costs_nothing() -> None:
    """A process may end between two samples."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert server_process.pss_kb(child.pid) == 0
    assert server_process.cpu_by_name([child.pid]) == {}
    assert server_process.tree(child.pid) == [child.pid]


def test_this_process_is_found() -> None:
    """Memory, name and start time of this process are read."""
    assert server_process.pss_kb(os.getpid()) > 1000
    assert "python" in server_process.process_name(os.getpid())
    assert server_process.started_at(os.getpid()) is not None


def test_cores_are_the_difference_of_processor_seconds() -> None:
    """A process that started in between counts from zero."""
    assert cores_used({"worker": 1.0}, {"worker": 2.0, "new": 0.5}, 2.0) == {
        "worker": 0.5,
        "new": 0.25,
    }
