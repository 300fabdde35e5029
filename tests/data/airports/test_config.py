"""Check that a model and other data of another airport are refused together."""

from __future__ import annotations

from dataclasses import replace

from data.airports.config import SANTIAGO, mismatch

MADRID = replace(SANTIAGO, airport="LEMD", place="Madrid")


def test_the_same_airport_matches() -> None:
    """Other fields of the configuration may differ."""
    assert mismatch(MADRID, replace(MADRID, school_holidays=()), "and these leave") is None


def test_a_mismatch_names_both_airports() -> None:
    """The message names the model's airport first."""
    said = mismatch(MADRID, SANTIAGO, "and these leave")
    assert said == "the model scores flights from LEMD, and these leave from SCEL"
