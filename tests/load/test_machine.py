"""The facts without which figures say nothing."""

from __future__ import annotations

from load import machine


def test_the_machine_is_described() -> None:
    """Cores, processor, memory, kernel."""
    facts = machine.facts()
    assert facts["cores"] >= 1
    assert facts["memory_gb"] > 0
    assert facts["processor"]
    assert facts["kernel"]


def test_versions_are_those_of_what_is_installed() -> None:
    """A package that is not there is left out."""
    found = machine.versions(("numpy", "no-such-package"))
    assert set(found) == {"python", "numpy"}
