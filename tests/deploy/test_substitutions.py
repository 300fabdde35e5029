"""Substitutions, names in braces, and who gets the traffic."""

from __future__ import annotations

import pytest

from deploy import substitutions, traffic
from deploy.render import RenderError, render


def test_substitutions_are_filled_in_everywhere() -> None:
    """In lists and mappings, with braces and without; two dollar signs are one."""
    value = {"a": ["$X-${X}", 7], "b": "$$X"}
    assert substitutions.expand(value, {"X": "1"}) == {"a": ["1-1", 7], "b": "$X"}


def test_an_unknown_substitution_is_an_error() -> None:
    """And is named."""
    with pytest.raises(substitutions.SubstitutionError, match="_Y is used and defined nowhere"):
        substitutions.expand("$_Y", {"X": "1"})


def test_substitutions_may_use_others() -> None:
    """Through several steps, and those given from outside win."""
    defaults = {"_A": "${_B}/a", "_B": "${_C}/b", "_C": "c"}
    assert substitutions.resolve(defaults, {"_C": "d"})["_A"] == "d/b/a"


def test_substitutions_that_need_themselves_are_an_error() -> None:
    """They would grow for ever."""
    with pytest.raises(substitutions.SubstitutionError, match="themselves: _A, _B"):
        substitutions.resolve({"_A": "$_B", "_B": "$_A"}, {})


def test_names_in_braces_are_filled_in() -> None:
    """Those of Cloud Build stay."""
    assert render("${NAME} ${_REGION} $NAME", {"NAME": "x"}) == "x ${_REGION} $NAME"


@pytest.mark.parametrize(
    ("values", "message"), [({}, "no value for NAME"), ({"NAME": "x", "Z": "y"}, "nowhere: Z")]
)
def test_names_and_values_belong_together(values: dict[str, str], message: str) -> None:
    """One that is missing, or left over, is an error."""
    with pytest.raises(RenderError, match=message):
        render("${NAME}", values)


SERVICE = {
    "status": {
        "url": "https://service",
        "traffic": [
            {"revisionName": "new", "percent": 10},
            {"revisionName": "old", "percent": 90},
            {"revisionName": "new", "tag": "candidate", "url": "https://candidate---service"},
        ],
    }
}


def test_the_last_good_revision_has_most_of_the_traffic() -> None:
    """Also where a build ended in the middle of its canary."""
    assert traffic.stable(SERVICE) == "old"


def test_a_service_without_traffic_has_no_good_revision() -> None:
    """There is nothing to go back to."""
    assert traffic.stable({"status": {"traffic": [{"revisionName": "a", "tag": "b"}]}}) == ""


def test_addresses() -> None:
    """Of the service and of a tag; a tag that nobody has is an error."""
    assert traffic.url(SERVICE) == "https://service"
    assert traffic.url(SERVICE, "candidate") == "https://candidate---service"
    with pytest.raises(LookupError, match="no revision is tagged blue"):
        traffic.url(SERVICE, "blue")
