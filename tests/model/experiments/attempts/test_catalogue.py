"""Check that the declared attempts are complete, distinct and on the published page."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import pytest

from model.experiments.attempts.attempt import Kind, Verdict
from model.experiments.attempts.catalogue import ATTEMPTS, SERVED
from model.experiments.evidence.steps import STEPS
from model.experiments.methods.boosted import Boosted
from model.experiments.methods.logistic_regression import TreesAndLogistic
from model.experiments.methods.table import method_id
from model.experiments.page.report import PAGE_FILE
from model.experiments.run.folds import GROUPS
from model.experiments.run.summary import RESULTS_FILE
from tests.support.server import PROJECT

DOCS = PROJECT / "docs" / "experiments"
REQUIRED = (
    "notebook-logistic",
    "notebook-xgboost",
    "weights",
    "under-sampling",
    "over-sampling",
    "smote",
    "forest",
    "network",
    "catboost",
    "xgboost",
    "target-encoding",
    "calibration-platt",
    "calibration-isotonic",
    "bag-5",
    "distilled-bag",
)


def test_ids_are_unique() -> None:
    """Ids of attempts and steps are unique, and ids of attempts are lower-case words."""
    ids = [attempt.id for attempt in ATTEMPTS] + [step.id for step in STEPS]
    assert [each for each, count in Counter(ids).items() if count > 1] == []
    assert all(re.fullmatch(r"[a-z0-9-]+", attempt.id) for attempt in ATTEMPTS)


def test_no_two_attempts_fit_the_same() -> None:
    """No two attempts have the same method."""
    methods = Counter(method_id(attempt.method) for attempt in ATTEMPTS)
    assert [each for each, count in methods.items() if count > 1] == []


def test_ids_of_methods_are_reproducible() -> None:
    """No id contains an address in memory: results are kept under it."""
    assert not [attempt.id for attempt in ATTEMPTS if " at 0x" in method_id(attempt.method)]


def test_a_renamed_class_keeps_its_results() -> None:
    """The id of a method does not depend on the names of classes, nested ones included."""
    trees, model = (type("Renamed", (each,), {}) for each in (Boosted, TreesAndLogistic))
    assert method_id(trees(rounds=8)) == method_id(Boosted(rounds=8))
    assert method_id(model(trees=trees())) == method_id(TreesAndLogistic())


def test_required_techniques_are_declared() -> None:
    """Every required technique has a row."""
    assert set(REQUIRED) <= {attempt.id for attempt in ATTEMPTS}
    assert {attempt.kind for attempt in ATTEMPTS} == set(Kind)


def test_exactly_one_attempt_is_kept() -> None:
    """The served model is one row, with five seeds in every protocol."""
    (kept,) = [attempt for attempt in ATTEMPTS if attempt.verdict is Verdict.KEPT]
    assert kept.id == SERVED
    assert kept.seeds == dict.fromkeys(GROUPS, 5)


def test_every_attempt_has_its_texts() -> None:
    """Every attempt has a title and reasons, and its protocols exist."""
    for attempt in ATTEMPTS:
        assert all((attempt.title, attempt.why, attempt.reason)), attempt.id
        assert attempt.reason.endswith("."), attempt.id
        assert attempt.seeds, attempt.id
        assert set(attempt.seeds) <= set(GROUPS), attempt.id


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    """Give the published results."""
    path = DOCS / RESULTS_FILE
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def test_published_results_match_the_catalogue(results: dict[str, Any]) -> None:
    """Every declared attempt has its figures and its current texts in results.json."""
    published = [
        (each["id"], each["method"], each["title"], each["why"], each["reason"])
        for each in results["attempts"]
    ]
    assert published == [
        (each.id, method_id(each.method), each.title, each.why, each.reason) for each in ATTEMPTS
    ]
    assert [each["id"] for each in results["attempts"] if not each["protocols"]] == []
    assert set(results["evidence"]) == {step.id for step in STEPS}


def test_published_page_names_every_attempt(results: dict[str, Any]) -> None:
    """The page has every attempt, those without a gain too."""
    page = (DOCS / PAGE_FILE).read_text(encoding="utf-8")
    assert [each["id"] for each in results["attempts"] if f"`{each['id']}`" not in page] == []
