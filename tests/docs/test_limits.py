"""The limits that the contract tells are those of the settings."""

from __future__ import annotations

import re

from serving.settings import Settings
from tests.support.server import PROJECT

ROW = re.compile(r"^\| [^|]+ \| ([\d,]+)[^|]*\| `FLIGHT_DELAY_(\w+)` \|", re.MULTILINE)


def test_the_contract_tells_the_limits_as_they_are() -> None:
    """Each default in the table of limits is that of the setting named beside it."""
    told = {name: text for text, name in ROW.findall(_contract())}
    assert len(told) >= 7
    for name, text in told.items():
        default = Settings.model_fields[name.lower()].default
        assert float(text.replace(",", "")) == default, name


def _contract() -> str:
    return (PROJECT / "docs" / "contract.md").read_text()
