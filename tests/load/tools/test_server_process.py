"""What processes cost, read from the kernel; servers that start, fail to, and stop."""

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


def test_a_server_is_measured_and_leaves_nobody_behind(tmp_path: Path) -> None:
    """Its child is counted while it runs, and ended with it."""
    command = [sys.executable, "-c", SERVER, "{port}"]
    with server_process.Server(command, PROBE, tmp_path / "log", start_limit=30) as server:
        pids = server.pids
        assert len(pids) == 2
        assert server.start_seconds > 0
        assert server.memory_mb() > 1
        assert sum(server.cpu().values()) >= 0
    assert [pid for pid in pids if server_process.started_at(pid) is not None] == []


def test_a_server_that_ends_by_itself_is_reported_with_its_log(tmp_path: Path) -> None:
    """The reason stands in what it printed."""
    command = [sys.executable, "-c", "raise SystemExit('no model')"]
    with (
        pytest.raises(server_process.ServerError, match="no model"),
        server_process.Server(command, PROBE, tmp_path / "log"),
    ):
        pass


def test_a_server_that_never_answers_is_given_up(tmp_path: Path) -> None:
    """And ended."""
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    server = server_process.Server(command, PROBE, tmp_path / "log", start_limit=0.1)
    with pytest.raises(server_process.ServerError, match="no answer after"), server:
        pass


def test_what_has_gone_costs_nothing() -> None:
    """A process may end between two looks."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert server_process.pss_kb(child.pid) == 0
    assert server_process.cpu_by_name([child.pid]) == {}
    assert server_process.tree(child.pid) == [child.pid]


def test_this_process_is_found() -> None:
    """By memory, name and time of birth."""
    assert server_process.pss_kb(os.getpid()) > 1000
    assert "python" in server_process.process_name(os.getpid())
    assert server_process.started_at(os.getpid()) is not None


def test_cores_are_the_difference_of_processor_seconds() -> None:
    """A process that appeared in between counts from nothing."""
    assert cores_used({"worker": 1.0}, {"worker": 2.0, "new": 0.5}, 2.0) == {
        "worker": 0.5,
        "new": 0.25,
    }
