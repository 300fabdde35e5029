"""How a stand-in says no."""

from __future__ import annotations


class Refusal(Exception):  # noqa: N818 - it is an answer, not a fault
    """The real tool would refuse this call; the text is what it would say."""
