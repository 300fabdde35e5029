"""Which triggers a change starts."""

from __future__ import annotations

from typing import Any

import pytest

from deploy import validation
from deploy.validation import DEPLOY
from deploy.watched import fires, matches

DEPLOYING = ("production", "staging")


def _trigger(name: str) -> dict[str, Any]:
    return validation.example_trigger(DEPLOY / "triggers" / f"{name}.yaml")


@pytest.mark.parametrize("name", [*DEPLOYING, "pull-request"])
@pytest.mark.parametrize("changed", ["docs/load.md", "README.md", "deploy/README.md"])
def test_documents_deploy_nothing(name: str, changed: str) -> None:
    """Nor are they tested."""
    assert not fires(_trigger(name), [changed])


@pytest.mark.parametrize("name", DEPLOYING)
@pytest.mark.parametrize("changed", ["tests/test_service.py", "load/tools/wrk.py", ".gitignore"])
def test_what_is_not_served_deploys_nothing(name: str, changed: str) -> None:
    """Tests and load generators are checked in the pull request alone."""
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
def test_model_and_service_deploy(name: str, changed: str) -> None:
    """Also where documents changed with them."""
    assert fires(_trigger(name), ["README.md", changed])


def test_each_environment_has_its_own_branch() -> None:
    """Main goes to production, develop to staging."""
    for name, branch in (("production", "^main$"), ("staging", "^develop$")):
        trigger = _trigger(name)
        assert trigger["repositoryEventConfig"]["push"]["branch"] == branch
        assert trigger["substitutions"]["_ENVIRONMENT"] == name


def test_the_clock_always_retrains() -> None:
    """The flights may have changed where the code has not."""
    assert _trigger("retrain")["substitutions"]["_RETRAIN"] == "always"


def test_pull_requests_run_as_an_account_that_may_deploy_nothing() -> None:
    """Their code is not reviewed yet."""
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
    """Two stars cross folders, one does not."""
    assert matches(pattern, name) is expected
