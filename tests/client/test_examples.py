"""Tests that every example runs against a real service."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.server import PROJECT, Server

EXAMPLES = PROJECT / "examples"
SAYS = {
    "curl.sh": ["probability", "explanation", "urn:flight-delay:problem:invalid"],
    "predict.py": ["LAN120 leaves late with a probability of", "refused: /flights/0/airline"],
    "board.py": ["late in the last hour: 100%", "LAN120"],
    "analyst.py": ["Wednesday", "least risky: 2017-07-1"],
    "bulk.py": ["3,600 flights:"],
}
"""Texts that the output of each example contains."""


def test_every_example_is_tested() -> None:
    """`SAYS` lists all examples."""
    assert {path.name for path in EXAMPLES.iterdir() if path.is_file()} == set(SAYS)


def blocks() -> list[str]:
    """Return the Python blocks of the client's README."""
    text = (PROJECT / "client" / "README.md").read_text()
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


@pytest.mark.server
@pytest.mark.parametrize("block", blocks())
def test_a_block_of_the_readme_runs(live: Server, block: str) -> None:
    """A block runs without changes, apart from the URL."""
    exec(block.replace("http://localhost:3000", live.url), {})  # noqa: S102 - our own text


@pytest.mark.server
@pytest.mark.parametrize("name", SAYS)
def test_an_example_runs(live: Server, tmp_path: Path, name: str) -> None:
    """It exits with 0 and prints the expected texts."""
    program = sys.executable if name.endswith(".py") else shutil.which("sh") or "sh"
    if name == "curl.sh" and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    run = subprocess.run(
        [program, EXAMPLES / name],
        cwd=tmp_path,
        env={
            **os.environ,
            "SCL_DELAY_URL": live.url,
            "PYTHONPATH": str(PROJECT / "client" / "src"),
        },
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    for words in SAYS[name]:
        assert words in run.stdout
