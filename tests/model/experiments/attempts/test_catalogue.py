"""The declared attempts are complete, told apart, and all on the published page."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import pytest

from model.experiments.attempts.attempt import Kind, Verdict
from model.experiments.attempts.catalogue import ATTEMPTS, SERVED
from model.experiments.evidence.steps import STEPS
from model.experiments.page.report import PAGE_FILE
from model.experiments.run.folds import GROUPS
from model.experiments.run.summary import RESULTS_FILE
from tests.support.server import PROJECT

DOCS = PROJECT / "docs" / "experiments"
ASKED_FOR = (
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
    """No two attempts or steps share an id, and ids of attempts are plain words."""
    ids = [attempt.id for attempt in ATTEMPTS] + [step.id for step in STEPS]
    assert [each for each, count in Counter(ids).items() if count > 1] == []
    assert all(re.fullmatch(r"[a-z0-9-]+", attempt.id) for attempt in ATTEMPTS)


def test_no_two_attempts_fit_the_same() -> None:
    """Two rows with the same method and protocols would be one row with two names."""
    methods = Counter(repr(attempt.method) for attempt in ATTEMPTS)
    assert [each for each, count in methods.items() if count > 1] == []


def test_a_method_is_told_by_its_repr() -> None:
    """No method's text holds an address in memory: results are kept under it."""
    assert not [attempt.id for attempt in ATTEMPTS if " at 0x" in repr(attempt.method)]


def test_what_was_asked_for_is_declared() -> None:
    """Every technique that the project was asked to try has a row."""
    assert set(ASKED_FOR) <= {attempt.id for attempt in ATTEMPTS}
    assert {attempt.kind for attempt in ATTEMPTS} == set(Kind)


def test_exactly_one_attempt_is_kept() -> None:
    """The kept model is one row, with five seeds in every protocol."""
    (kept,) = [attempt for attempt in ATTEMPTS if attempt.verdict is Verdict.KEPT]
    assert kept.id == SERVED
    assert kept.seeds == dict.fromkeys(GROUPS, 5)


def test_every_attempt_says_why() -> None:
    """Title, reason to try and reason for the verdict are sentences, protocols are known."""
    for attempt in ATTEMPTS:
        assert all((attempt.title, attempt.why, attempt.reason)), attempt.id
        assert attempt.reason.endswith("."), attempt.id
        assert attempt.seeds, attempt.id
        assert set(attempt.seeds) <= set(GROUPS), attempt.id


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    """Give the published results, where this copy of the project has them."""
    path = DOCS / RESULTS_FILE
    if not path.is_file():
        pytest.skip("the ledger has not been run: make experiments")
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def test_published_results_match_the_catalogue(
    results: dict[str, Any],
) -> None:
    """Every declared attempt stands in results.json as it is declared, with figures."""
    published = [(each["id"], each["method"]) for each in results["attempts"]]
    assert published == [(attempt.id, repr(attempt.method)) for attempt in ATTEMPTS]
    assert [each["id"] for each in results["attempts"] if not each["protocols"]] == []
    assert set(results["evidence"]) == {step.id for step in STEPS}


def test_published_page_names_every_attempt(
    results: dict[str, Any],
) -> None:
    """What did not help stays on the page."""
    page = (DOCS / PAGE_FILE).read_text(encoding="utf-8")
    assert [each["id"] for each in results["attempts"] if f"`{each['id']}`" not in page] == []
