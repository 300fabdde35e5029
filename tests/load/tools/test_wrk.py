"""Results of wrk's script are parsed, and a missing wrk is reported."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from load.tools import wrk
from load.tools.server_process import HOST, free_port

OUTPUT = """Running 2s test @ http://127.0.0.1:3000
  1 threads and 64 connections
Requests/sec:   3000.00
RESULT {"requests":6000,"seconds":2.0,"bytes":120000,"latency_ms":{"mean":2.5,"max":9.5,\
"p50":2.1,"p75":2.6,"p90":3.0,"p99":7.0,"p999":9.0},"errors":{"connect":1,"read":0,"write":0,\
"timeout":2,"status":3},"statuses":{"200":5997,"503":3}}
"""


def test_a_result_is_read() -> None:
    """The result is found in wrk's output."""
    run = wrk.Run.parse(OUTPUT, client_cpu=0.5)
    assert run.rate == 3000
    assert run.failed == 6
    assert run.good_rate == 2997
    assert run.latency_ms["p99"] == 7.0
    assert run.statuses == {"200": 5997, "503": 3}
    assert run.to_json()["client_cpu"] == 0.5


def test_derived_figures_are_in_the_json() -> None:
    """Readers of load.json do not compute them."""
    assert {"rate", "failed", "requests"} <= set(wrk.Run.parse(OUTPUT).to_json())


@pytest.mark.parametrize("output", ["", "Running 2s test", OUTPUT + OUTPUT])
def test_output_without_exactly_one_result_is_refused(output: str) -> None:
    """An ambiguous output is an error."""
    with pytest.raises(wrk.WrkError, match="no result"):
        wrk.Run.parse(output)


def test_a_missing_wrk_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message covers Debian, macOS and others."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(wrk.WrkError, match=r"apt-get install wrk.*brew install wrk"):
        wrk.find()


@pytest.mark.skipif(shutil.which("wrk") is None, reason="needs wrk")
def test_a_missing_server_is_reported(tmp_path: Path) -> None:
    """The error holds wrk's message."""
    payloads = tmp_path / "payloads"
    payloads.write_text("{}\n")
    with pytest.raises(wrk.WrkError, match=r"wrk failed|refused"):
        wrk.run(f"http://{HOST}:{free_port()}", payloads, connections=1, seconds=1)
