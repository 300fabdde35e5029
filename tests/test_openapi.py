"""The served OpenAPI document is true: generated requests, valid and broken, find nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.server import running_server

EXAMPLES = 100


@pytest.mark.server
def test_generated_requests_are_answered_as_documented(registered: str, tmp_path: Path) -> None:
    """Every check of schemathesis holds: no server error, no answer outside its schema."""
    with running_server(tmp_path / "log") as server:
        run = subprocess.run(
            [
                str(Path(sys.executable).parent / "schemathesis"),
                *("run", f"{server.url}/openapi.json"),
                *("--checks", "all", "--max-examples", str(EXAMPLES), "--seed", "1"),
                *("--generation-database", "none", "--no-color"),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=800,
            check=False,
        )
        assert run.returncode == 0, run.stdout[-4000:]
        assert httpx.get(f"{server.url}/readyz").status_code == 200
