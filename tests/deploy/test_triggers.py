"""Tests of the triggers: which file changes start them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import pytest

from deploy import validation
from deploy.validation import DEPLOY

DEPLOYING = ("production", "staging")


def fires(trigger: dict[str, Any], changed: Iterable[str]) -> bool:
    """Whether a push that changed these files starts a trigger.

    Ignored files do not count; one included file among the others is enough. Source: Cloud
    Build's manual, "Included and ignored files".
    """
    included = trigger.get("includedFiles", ["**"])
    ignored = trigger.get("ignoredFiles", [])
    return any(_any_matches(included, name) and not _any_matches(ignored, name) for name in changed)


def matches(pattern: str, name: str) -> bool:
    """Whether a path matches a glob: ``**`` crosses folders, ``*`` does not."""
    parts = re.split(r"(\*\*/|\*\*|\*)", pattern)
    words = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*"}
    return bool(re.fullmatch("".join(words.get(part, re.escape(part)) for part in parts), name))


def _any_matches(patterns: Iterable[str], name: str) -> bool:
    return any(matches(pattern, name) for pattern in patterns)


def _trigger(name: str) -> dict[str, Any]:
    return validation.example_trigger(DEPLOY / "triggers" / f"{name}.yaml")


@pytest.mark.parametrize("name", [*DEPLOYING, "pull-request"])
@pytest.mark.parametrize("changed", ["docs/load.md", "README.md", "deploy/README.md"])
def test_documents_start_no_trigger(name: str, changed: str) -> None:
    """A change of documents is neither deployed nor tested."""
    assert not fires(_trigger(name), [changed])


@pytest.mark.parametrize("name", DEPLOYING)
@pytest.mark.parametrize("changed", ["tests/test_service.py", "load/tools/wrk.py", ".gitignore"])
def test_tests_and_load_generators_are_not_deployed(name: str, changed: str) -> None:
    """They only start the trigger of pull requests."""
    assert not fires(_trigger(name), [changed])
    assert fires(_trigger("pull-request"), [changed])


@pytest.mark.parametrize("name", [*DEPLOYING, "pull-request"])
@pytest.mark.parametrize(
    "changed",
    [
        *(
            "model/inference/booster.py",
            "features/airport.py",
            "data/download.py",
            "train.py",
            "service.py",
        ),
        *("serving/page/index.html", "requirements/serve.lock", "deploy/steps/lock.sh"),
    ],
)
def test_model_and_service_are_deployed(name: str, changed: str) -> None:
    """The trigger starts even if documents changed in the same push."""
    assert fires(_trigger(name), ["README.md", changed])


def test_each_environment_has_its_own_branch() -> None:
    """Main is deployed to production, develop to staging."""
    for name, branch in (("production", "^main$"), ("staging", "^develop$")):
        trigger = _trigger(name)
        assert trigger["repositoryEventConfig"]["push"]["branch"] == branch
        assert trigger["substitutions"]["_ENVIRONMENT"] == name


def test_the_schedule_always_retrains() -> None:
    """The flights may have changed even if the code has not."""
    assert _trigger("retrain")["substitutions"]["_RETRAIN"] == "always"


def test_pull_requests_run_as_an_account_that_cannot_deploy() -> None:
    """The code of a pull request is not reviewed yet."""
    accounts = {name: _trigger(name)["serviceAccount"] for name in (*DEPLOYING, "pull-request")}
    assert accounts["pull-request"] not in {accounts["production"], accounts["staging"]}


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("data/**", "data/download.py", True),
        ("data/**", "data/a/b.py", True),
        ("data/**", "load/data/x", False),
        ("**/*.md", "README.md", True),
        ("**/*.md", "docs/decisions/1.md", True),
        ("*.py", "service.py", True),
        ("*.py", "data/download.py", False),
        ("service.py", "serviceXpy", False),
    ],
)
def test_globs(pattern: str, name: str, expected: bool) -> None:
    """`**` crosses folders, `*` does not."""
    assert matches(pattern, name) is expected
