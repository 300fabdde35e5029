"""Test that the limits in the contract are those of the settings."""

from __future__ import annotations

import re

from serving.settings import Settings
from tests.support.server import PROJECT

ROW = re.compile(r"^\| [^|]+ \| ([\d,]+)[^|]*\| `FLIGHT_DELAY_(\w+)` \|", re.MULTILINE)


def test_the_limits_in_the_contract_are_the_defaults() -> None:
    """Each default in the table of limits is that of its setting."""
    documented = {name: text for text, name in ROW.findall(_contract())}
    assert len(documented) >= 7
    for name, text in documented.items():
        default = Settings.model_fields[name.lower()].default
        assert float(text.replace(",", "")) == default, name


def _contract() -> str:
    return (PROJECT / "docs" / "contract.md").read_text()
