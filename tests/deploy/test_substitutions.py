"""Tests of substitutions, placeholders and the service's traffic."""

from __future__ import annotations

import pytest

from deploy import substitutions, traffic
from deploy.render import RenderError, render


def test_substitutions_are_replaced_everywhere() -> None:
    """They are replaced in lists and mappings, with and without braces; `$$` becomes `$`."""
    value = {"a": ["$X-${X}", 7], "b": "$$X"}
    assert substitutions.expand(value, {"X": "1"}) == {"a": ["1-1", 7], "b": "$X"}


def test_an_unknown_substitution_raises() -> None:
    """The error names it."""
    with pytest.raises(substitutions.SubstitutionError, match="_Y is used but not defined"):
        substitutions.expand("$_Y", {"X": "1"})


def test_substitutions_may_reference_others() -> None:
    """References are resolved recursively, and given values override defaults."""
    defaults = {"_A": "${_B}/a", "_B": "${_C}/b", "_C": "c"}
    assert substitutions.resolve(defaults, {"_C": "d"})["_A"] == "d/b/a"


def test_circular_substitutions_raise() -> None:
    """The error names all of them."""
    with pytest.raises(substitutions.SubstitutionError, match="circular substitutions: _A, _B"):
        substitutions.resolve({"_A": "$_B", "_B": "$_A"}, {})


def test_placeholders_are_replaced() -> None:
    """Substitutions of Cloud Build are kept."""
    assert render("${NAME} ${_REGION} $NAME", {"NAME": "x"}) == "x ${_REGION} $NAME"


@pytest.mark.parametrize(
    ("values", "message"), [({}, "no value for NAME"), ({"NAME": "x", "Z": "y"}, "not used: Z")]
)
def test_missing_and_unused_values_raise(values: dict[str, str], message: str) -> None:
    """Every placeholder needs a value, and every value a placeholder."""
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


def test_the_stable_revision_has_the_largest_share() -> None:
    """A build that was cancelled during its canary does not change it."""
    assert traffic.stable(SERVICE) == "old"


def test_a_service_without_traffic_has_no_stable_revision() -> None:
    """The result is empty."""
    assert traffic.stable({"status": {"traffic": [{"revisionName": "a", "tag": "b"}]}}) == ""


def test_urls() -> None:
    """The service and each tag have a URL; an unknown tag raises."""
    assert traffic.url(SERVICE) == "https://service"
    assert traffic.url(SERVICE, "candidate") == "https://candidate---service"
    with pytest.raises(LookupError, match="no revision is tagged blue"):
        traffic.url(SERVICE, "blue")
