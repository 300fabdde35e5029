"""What does not go together: the home airports of a model and of what is put beside it."""

from __future__ import annotations

from dataclasses import replace

from data.airports.config import SANTIAGO, mismatch

MADRID = replace(SANTIAGO, airport="LEMD", place="Madrid")


def test_the_same_airport_goes_together() -> None:
    """Other facts of it may have been corrected since."""
    assert mismatch(MADRID, replace(MADRID, school_holidays=()), "and these leave") is None


def test_both_airports_are_named() -> None:
    """That of the model first."""
    said = mismatch(MADRID, SANTIAGO, "and these leave")
    assert said == "the model knows flights from LEMD, and these leave from SCEL"
