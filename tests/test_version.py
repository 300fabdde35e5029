"""The version: one number for the service, the client and the changelog."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from scl_delay import __version__ as client_version
from serving.api.openapi import VERSION

PROJECT = Path(__file__).parents[1]


def test_one_version_everywhere() -> None:
    """The project, the HTTP contract, the client and the newest release carry one number."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]
    changes = (PROJECT / "CHANGELOG.md").read_text()
    releases = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", changes, re.MULTILINE)
    assert {VERSION, client_version, releases[0]} == {project}
