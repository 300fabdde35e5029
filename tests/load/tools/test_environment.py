"""Description of the machine, the versions and the model of a measurement."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from load.tools import environment, wrk


def test_the_machine_is_described() -> None:
    """Cores, processor, memory and kernel are there."""
    facts = environment.facts()
    assert facts["cores"] >= 1
    assert facts["memory_gb"] > 0
    assert facts["processor"]
    assert facts["kernel"]


def test_versions_are_those_of_installed_packages() -> None:
    """A package that is not installed is left out."""
    found = environment.versions(("numpy", "no-such-package"))
    assert set(found) == {"python", "numpy"}


def test_every_measurement_begins_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """The header holds date, command, machine, versions and model."""
    monkeypatch.setattr(wrk, "version", lambda: "4.1.0")
    monkeypatch.setattr("sys.argv", ["…", "--seconds", "5"])
    predictor: Any = SimpleNamespace(booster=SimpleNamespace(trees=300, features=39))
    header = environment.header("load.scenarios.steady", "flight_delay:1", predictor, ("numpy",))
    assert list(header) == ["made", "command", "machine", "versions", "model"]
    assert header["command"] == "python -m load.scenarios.steady --seconds 5"
    assert set(header["versions"]) == {"python", "numpy", "wrk"}
    assert header["model"] == {"tag": "flight_delay:1", "trees": 300, "features": 39}
