"""Test the diagnostics of an evaluation and the page of the model card."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pandas as pd
import pytest

from data.airports.config import SANTIAGO
from model.evaluation.diagnostics import add_diagnostics
from model.evaluation.gate import GATE_PROTOCOL
from model.evaluation.metrics import calibration_error
from model.evaluation.protocols import PROTOCOLS, Scored, evaluate
from model.inference.predictor import Predictor
from model.reports.card import INTENDED_USE, LIMITS, MISUSE, for_airport, make_card
from model.reports.model_card_page import (
    DRIFT_PICTURE,
    PAGE,
    RELIABILITY_PICTURE,
    write_model_card_page,
)
from model.training.fit import TrainingConfig

CONFIG = TrainingConfig(rounds=5)
MOST_BYTES = 150_000
"""Largest size of the answer of `GET /model`, which the page loads first."""

Evaluated = tuple[dict[str, Any], dict[str, Scored]]


@pytest.fixture(scope="module")
def evaluated(few: pd.DataFrame) -> Evaluated:
    """Return walk-forward figures with diagnostics, over two seeds, and the scored flights."""
    protocols = {GATE_PROTOCOL: PROTOCOLS[GATE_PROTOCOL]}
    figures, scored = evaluate(few, CONFIG, (0, 1), protocols=protocols)
    return add_diagnostics(few, CONFIG, figures, scored), scored


@pytest.fixture(scope="module")
def card(few: pd.DataFrame, predictor: Predictor, evaluated: Evaluated) -> dict[str, Any]:
    """Return the card with that evaluation."""
    return make_card(
        few, is_sample=False, predictor=predictor, config=CONFIG, evaluation=evaluated[0]
    )


@pytest.fixture(scope="module")
def page(
    card: dict[str, Any], predictor: Predictor, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return the path of the written page."""
    folder = tmp_path_factory.mktemp("docs")
    return write_model_card_page(folder, card, "m:1", predictor.decision.to_json())


def test_reliability_is_that_of_the_scored_flights(evaluated: Evaluated) -> None:
    """The curve has a dot for each tenth; its mean distance from the diagonal is the ECE."""
    evaluation, scored = evaluated
    run, curve = scored[GATE_PROTOCOL], evaluation[GATE_PROTOCOL]["reliability"]
    gaps = [
        abs(predicted - late) * n
        for predicted, late, n in zip(curve["said"], curve["happened"], curve["n"], strict=True)
    ]
    assert len(gaps) == 10
    error = calibration_error(run.late, run.probability)
    assert sum(gaps) / sum(curve["n"]) == pytest.approx(error, abs=1e-4)


def test_months_have_a_mean_probability(evaluated: Evaluated) -> None:
    """Each month has its mean probability."""
    for month in evaluated[0][GATE_PROTOCOL]["by_month"].values():
        assert 0 < month["mean_probability"] < 1


def test_a_skipped_evaluation_has_no_diagnostics(few: pd.DataFrame) -> None:
    """An empty evaluation stays empty."""
    assert add_diagnostics(few, CONFIG, {}, {}) == {}


def test_the_published_card_is_strict_and_bounded(card: dict[str, Any]) -> None:
    """The card with all slices and curves is strict JSON of a bounded size."""
    text = json.dumps(card, allow_nan=False)
    assert json.loads(text) == card
    # four more protocols of the real evaluation have curves and months, but no slices
    assert len(text) < MOST_BYTES / 2


def test_usual_flight_numbers_are_the_most_frequent(
    few: pd.DataFrame, card: dict[str, Any]
) -> None:
    """Each airline and destination lists at most three, most frequent first, ties by name."""
    numbers = card["flight_numbers"]
    assert set(numbers) == set(few["airline"])
    route = few[(few["airline"] == "LAN") & (few["destination"] == "SCFA")]
    counts = route["flight_number"].value_counts()
    expected = sorted(counts.index, key=lambda number: (-counts[number], number))[:3]
    assert numbers["LAN"]["SCFA"] == expected
    assert max(len(each) for routes in numbers.values() for each in routes.values()) == 3


def test_the_threshold_has_a_reason(card: dict[str, Any], predictor: Predictor) -> None:
    """The threshold follows from the published cost ratio."""
    ratio = card["decision"]["cost_ratio"]
    assert 1 / (1 + ratio) == pytest.approx(predictor.decision.threshold, abs=1e-4)
    assert f"{ratio:g} times" in card["decision"]["reason"]


def test_the_page_shows_the_whole_card(page: Path, card: dict[str, Any]) -> None:
    """The page has all uses, misuses and limits, every slice and every month."""
    text = page.read_text()
    assert page.name == PAGE
    for sentence in for_airport(SANTIAGO, (*INTENDED_USE, *MISUSE, *LIMITS)):
        assert f"- {sentence}" in text
    main = card["evaluation"][GATE_PROTOCOL]
    for rows in main["slices"].values():
        for row in rows:
            assert re.search(rf"^\| {re.escape(row['name'])}[ |].*{row['n']:,}", text, re.MULTILINE)
    for month in main["drift"]["refitted each month"]:
        assert f"| {month} |" in text
    assert "± standard deviation over 2 seeds" in text


def test_tables_have_rows_of_equal_length(page: Path) -> None:
    """Every row of a table has as many cells as its head."""
    head = 0
    for line in page.read_text().splitlines():
        cells = line.count("|")
        head = 0 if not cells else head or cells
        assert cells == head, line


def test_pictures_are_linked_files(page: Path) -> None:
    """Both pictures are linked, well-formed SVG without CSS variables."""
    for name in (RELIABILITY_PICTURE, DRIFT_PICTURE):
        assert f"]({name})" in page.read_text()
        svg = (page.parent / name).read_text()
        assert ET.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 - our own
        assert "var(--" not in svg


def test_the_same_card_gives_the_same_page(
    page: Path, card: dict[str, Any], predictor: Predictor, tmp_path: Path
) -> None:
    """Text and pictures of the same card are the same bytes."""
    write_model_card_page(tmp_path, card, "m:1", predictor.decision.to_json())
    for path in page.parent.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes()


def test_the_page_names_sample_refresh_and_skipped_evaluation(
    few: pd.DataFrame, predictor: Predictor, tmp_path: Path
) -> None:
    """The page says that flights are generated, when it was refreshed, and what was skipped."""
    card = make_card(few, is_sample=True, predictor=predictor, config=CONFIG, evaluation={})
    card["refreshed"] = {"parent": "m:0", "through": "2018-01-05T10:00:00", "flights": 9}
    text = write_model_card_page(tmp_path, card, "m:1", predictor.decision.to_json()).read_text()
    assert "These are not real flights" in text
    assert "through 2018-01-05" in text
    assert "evaluation was skipped" in text
