"""Check the page: written from any part of the results, reproducibly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.errors import UnknownAttempt
from model.experiments import command
from model.experiments.attempts.attempt import Verdict
from model.experiments.attempts.catalogue import ATTEMPTS, SERVED
from model.experiments.command import chosen, planned, run_experiments
from model.experiments.evidence.steps import STEPS
from model.experiments.page.report import cell, figure, gap, write_page
from model.experiments.run.folds import GROUPS
from model.experiments.run.results import ResultStore
from model.experiments.run.summary import against, summarise, write_results
from model.experiments.run.work_list import FoldCache, Run, key_of, runs

RULE = dict.fromkeys(("precision", "recall", "f1", "alarms", "cost", "threshold", "n"), 0.4)
SMALL = 150_000
"""Maximal bytes of a plot."""


def _protocol(seed: int, shift: float) -> dict[str, Any]:
    days = {f"2017-04-{day:02}": [100, 45 + shift + seed + day % 3] for day in range(1, 29)}
    figures = dict.fromkeys(
        ("auc", "ap", "log_loss", "log_loss_constant", "brier", "brier_constant", "ece"),
        0.6 + shift / 100 + seed / 1000,
    )
    return {**figures, "n": 2800, "rules": dict.fromkeys(("half", "cost", "f1"), RULE)} | {
        "by_day": days
    }


@pytest.fixture
def store(cache: FoldCache, tmp_path: Path) -> ResultStore:
    """Give a store with made-up results of every declared run and step."""
    made = ResultStore(tmp_path / "ledger.jsonl")
    for run in runs(ATTEMPTS, 2):
        shift = ATTEMPTS.index(run.attempt) / 10
        record = {
            "attempt": run.attempt.id,
            "group": run.group,
            "seed": run.seed,
            "fit_seconds": 1.5,
            "microseconds": {"batch": 12.0, "bulk": 11.0} if run.seed == 0 else None,
            "protocols": {name: _protocol(run.seed, shift) for name in GROUPS[run.group]},
        }
        made.add(key_of(run, cache), record)
    for step in STEPS:
        made.add(key_of(step, cache), _evidence(step.id))
    return made


def _evidence(step: str) -> dict[str, Any]:
    if step.startswith("curve-"):
        point = {"auc": 0.7, "ap": 0.3, "log_loss": 0.45}
        return {"points": [{"at": at, "flights": 1000.0 * at, **point} for at in (1, 2, 4)]}
    if step.startswith("oracle "):
        group = step.split()[1].rstrip(":")
        names = GROUPS[group]
        return {name: {"auc": 0.74, "ap": 0.4, "log_loss": 0.44, "ece": 0.01} for name in names}
    if step == "minutes":
        each = {"pinball": 5.0, "coverage": 0.9, "by_month": {"2017-04": 0.9, "2017-05": 0.88}}
        kinds = ("constant", "boosted", "corrected")
        return {"n": 10, "quantiles": {f"{p} {k}": each for p in ("p50", "p90") for k in kinds}}
    if step == "leak":
        return {key: {**RULE, "auc": 0.9} for key in ("before", "after")}
    group_figures = {"groups": 3, "flights_per_group": 9.0, "standard_deviation": 0.1}
    return {"day": {**group_figures, "auc": 0.7, "log_loss": 0.4}}


def test_every_attempt_is_on_the_page(cache: FoldCache, store: ResultStore, tmp_path: Path) -> None:
    """Title, reason and verdict of every attempt are there; every plot is small and linked."""
    page = _write(cache, store, tmp_path)
    text = page.read_text(encoding="utf-8")
    for attempt in ATTEMPTS:
        assert f"`{attempt.id}` {attempt.title} |" in text
        assert f"**{attempt.verdict.capitalize()}**: {attempt.reason}" in text
    pictures = sorted(tmp_path.glob("*.svg"))
    assert len(pictures) == 6
    for picture in pictures:
        assert f"({picture.name})" in text
        assert picture.stat().st_size < SMALL
    assert not [line for line in text.splitlines() if line != line.rstrip()]


def test_the_same_results_give_the_same_bytes(
    cache: FoldCache, store: ResultStore, tmp_path: Path
) -> None:
    """Rendering twice gives the same bytes, plots included."""
    _write(cache, store, tmp_path)
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    _write(cache, store, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first


def test_a_page_can_be_written_from_one_result(cache: FoldCache, tmp_path: Path) -> None:
    """The page of one result shows it, and dashes for the others."""
    store = ResultStore(tmp_path / "ledger.jsonl")
    (kept,) = [attempt for attempt in ATTEMPTS if attempt.verdict is Verdict.KEPT]
    run = Run(kept, "E3.schedule", 0)
    record = {"attempt": SERVED, "group": "E3.schedule", "seed": 0, "fit_seconds": 1.0}
    record |= {"microseconds": None, "protocols": {"E3.schedule": _protocol(0, 0)}}
    store.add(key_of(run, cache), record)
    text = _write(cache, store, tmp_path).read_text(encoding="utf-8")
    assert ".6000" in text
    assert f"`{ATTEMPTS[0].id}`" in text


def test_conclusions_are_kept(cache: FoldCache, store: ResultStore, tmp_path: Path) -> None:
    """The file of conclusions is included in the page."""
    (tmp_path / "conclusions.md").write_text("## Conclusions\n\nSo it is.\n")
    assert "So it is." in _write(cache, store, tmp_path).read_text(encoding="utf-8")


def test_the_summary_takes_means_over_seeds(cache: FoldCache, store: ResultStore) -> None:
    """Two seeds give their mean, their spread and their number."""
    summary = summarise(cache, store)
    assert [each["id"] for each in summary["attempts"]] == [a.id for a in ATTEMPTS]
    found = summary["attempts"][0]["protocols"]["E1"]
    assert found["seeds"] == 2
    assert found["auc"] == pytest.approx(0.6005)
    assert found["spread"]["auc"] == pytest.approx(0.0005)
    assert set(summary["evidence"]) == {step.id for step in STEPS}


def test_the_error_of_a_difference_is_over_days() -> None:
    """A constant difference has a standard error of 0 over days."""
    kept = [{"seed": seed, "protocols": {"E1": _protocol(seed, 0)}} for seed in (0, 1)]
    worse = [{"seed": 1, "protocols": {"E1": _protocol(1, 2)}}]
    found = against("E1", worse, kept)
    assert found is not None
    assert found["log_loss"] == pytest.approx(2 / 100)
    assert found["error"] == pytest.approx(0, abs=1e-9)
    assert found["seeds"] == 1
    assert against("E2", worse, kept) is None


def test_figures_are_formatted() -> None:
    """Numbers have no leading zero, missing ones are dashes, significant ones are bold."""
    assert figure(0.68372) == ".6837"
    assert figure(None) == "-"
    each = {"auc": 0.7, "spread": {"auc": 0.001}, "seeds": 3}
    assert cell(each, "auc") == ".7000 ± .0010"
    assert cell(None, "auc") == "-"
    assert gap({"against_booster": {"log_loss": 0.003, "error": 0.001}}) == "**+.0030**"
    assert gap({"against_booster": {"log_loss": -0.001, "error": 0.001}}) == "-.0010"


def test_unknown_ids_are_refused() -> None:
    """A misspelt id is named, with the existing ones."""
    with pytest.raises(UnknownAttempt, match=r"lightgmb.*lightgbm"):
        chosen(["lightgmb"])
    assert [attempt.id for attempt in chosen([SERVED])] == [SERVED]


def test_evidence_comes_before_second_seeds() -> None:
    """The order is first seeds of all attempts, the evidence, then more seeds."""
    pieces = planned()
    seeds = [piece.seed if isinstance(piece, Run) else 0.5 for piece in pieces]
    assert seeds == sorted(seeds)
    assert all(step in pieces for step in STEPS)
    assert planned(["leak"]) == [step for step in STEPS if step.id == "leak"]


def test_only_selected_attempts_are_run(cache: FoldCache, tmp_path: Path) -> None:
    """One attempt is run, kept and shown; the second call runs nothing."""
    folder = tmp_path / "reports"
    options: dict[str, Any] = {
        "folder": folder,
        "docs": tmp_path / "docs",
        "only": ["notebook-logistic"],
    }
    page = run_experiments(cache.frame, **options)
    kept = (folder / command.STORE_FILE).read_bytes()
    assert kept.count(b"\n") == 3
    assert run_experiments(cache.frame, **options) == page
    assert (folder / command.STORE_FILE).read_bytes() == kept
    results = json.loads((page.parent / "results.json").read_text())
    figures = results["attempts"][0]["protocols"]
    assert set(figures) == {"E1", "E2", "E3.schedule"}
    assert np.isfinite(figures["E1"]["auc"])


def _write(cache: FoldCache, store: ResultStore, folder: Path) -> Path:
    write_results(folder, summarise(cache, store))
    return write_page(folder)
