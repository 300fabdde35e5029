"""The examined evaluation and the model card as a document: whole, bounded and true."""

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
from model.reports.card import INTENDED_USE, LIMITS, MISUSE, make_card, told_of
from model.reports.model_card_page import (
    DOCUMENT,
    DRIFT_PICTURE,
    RELIABILITY_PICTURE,
    write_model_card_page,
)
from model.training.fit import TrainingConfig

CONFIG = TrainingConfig(rounds=5)
MOST_BYTES = 150_000
"""What `GET /model` may weigh; the page loads it first."""

Examined = tuple[dict[str, Any], dict[str, Scored]]


@pytest.fixture(scope="module")
def examined(few: pd.DataFrame) -> Examined:
    """Give an evaluation by E3 from the schedule, with two seeds, and its scored flights."""
    protocols = {GATE_PROTOCOL: PROTOCOLS[GATE_PROTOCOL]}
    figures, scored = evaluate(few, CONFIG, (0, 1), protocols=protocols)
    return add_diagnostics(few, CONFIG, figures, scored), scored


@pytest.fixture(scope="module")
def card(few: pd.DataFrame, predictor: Predictor, examined: Examined) -> dict[str, Any]:
    """Give the card with that evaluation."""
    return make_card(
        few, is_sample=False, predictor=predictor, config=CONFIG, evaluation=examined[0]
    )


@pytest.fixture(scope="module")
def page(
    card: dict[str, Any], predictor: Predictor, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Give the written document."""
    folder = tmp_path_factory.mktemp("docs")
    return write_model_card_page(folder, card, "m:1", predictor.decision.to_json())


def test_reliability_is_that_of_the_scored_flights(examined: Examined) -> None:
    """The curve has a dot for each tenth, and its distance from the diagonal is the error."""
    evaluation, scored = examined
    run, curve = scored[GATE_PROTOCOL], evaluation[GATE_PROTOCOL]["reliability"]
    gaps = [
        abs(said - late) * n
        for said, late, n in zip(curve["said"], curve["happened"], curve["n"], strict=True)
    ]
    assert len(gaps) == 10
    error = calibration_error(run.late, run.probability)
    assert sum(gaps) / sum(curve["n"]) == pytest.approx(error, abs=1e-4)


def test_months_tell_what_was_said(examined: Examined) -> None:
    """Each month has the mean probability beside its late share."""
    for month in examined[0][GATE_PROTOCOL]["by_month"].values():
        assert 0 < month["mean_probability"] < 1


def test_nothing_is_examined_where_nothing_was_evaluated(few: pd.DataFrame) -> None:
    """A skipped evaluation stays empty."""
    assert add_diagnostics(few, CONFIG, {}, {}) == {}


def test_the_published_card_is_strict_and_bounded(card: dict[str, Any]) -> None:
    """With all slices and curves it is strict JSON, and light enough for a page."""
    text = json.dumps(card, allow_nan=False)
    assert json.loads(text) == card
    # four more protocols of the real evaluation have curves and months, but no slices
    assert len(text) < MOST_BYTES / 2


def test_usual_flight_numbers_are_the_most_frequent(
    few: pd.DataFrame, card: dict[str, Any]
) -> None:
    """Of each airline and destination at most three, the most frequent first, ties by name."""
    numbers = card["flight_numbers"]
    assert set(numbers) == set(few["airline"])
    route = few[(few["airline"] == "LAN") & (few["destination"] == "SCFA")]
    counts = route["flight_number"].value_counts()
    expected = sorted(counts.index, key=lambda number: (-counts[number], number))[:3]
    assert numbers["LAN"]["SCFA"] == expected
    assert max(len(each) for routes in numbers.values() for each in routes.values()) == 3


def test_the_threshold_has_a_reason(card: dict[str, Any], predictor: Predictor) -> None:
    """The published cost ratio is the one that the threshold follows from."""
    ratio = card["decision"]["cost_ratio"]
    assert 1 / (1 + ratio) == pytest.approx(predictor.decision.threshold, abs=1e-4)
    assert f"{ratio:g} times" in card["decision"]["reason"]


def test_the_document_says_what_the_card_says(page: Path, card: dict[str, Any]) -> None:
    """Uses, misuses and limits, every slice and every month stand in it."""
    text = page.read_text()
    assert page.name == DOCUMENT
    for line in told_of(SANTIAGO, (*INTENDED_USE, *MISUSE, *LIMITS)):
        assert f"- {line}" in text
    main = card["evaluation"][GATE_PROTOCOL]
    for rows in main["slices"].values():
        for row in rows:
            assert re.search(rf"^\| {re.escape(row['name'])}[ |].*{row['n']:,}", text, re.MULTILINE)
    for month in main["drift"]["refitted each month"]:
        assert f"| {month} |" in text
    assert "± standard deviation over 2 seeds" in text


def test_its_tables_are_whole(page: Path) -> None:
    """Every row of a table has as many cells as its head."""
    head = 0
    for line in page.read_text().splitlines():
        cells = line.count("|")
        head = 0 if not cells else head or cells
        assert cells == head, line


def test_its_pictures_are_files_of_their_own(page: Path) -> None:
    """Both pictures are linked, well-formed SVG without a page's variables."""
    for name in (RELIABILITY_PICTURE, DRIFT_PICTURE):
        assert f"]({name})" in page.read_text()
        svg = (page.parent / name).read_text()
        assert ET.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 - our own
        assert "var(--" not in svg


def test_the_same_card_gives_the_same_document(
    page: Path, card: dict[str, Any], predictor: Predictor, tmp_path: Path
) -> None:
    """Written again, text and pictures are the same bytes."""
    write_model_card_page(tmp_path, card, "m:1", predictor.decision.to_json())
    for path in page.parent.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes()


def test_a_refreshed_model_of_the_sample_says_both(
    few: pd.DataFrame, predictor: Predictor, tmp_path: Path
) -> None:
    """Generated flights are announced, a refresh is dated, a skipped evaluation is said."""
    card = make_card(few, is_sample=True, predictor=predictor, config=CONFIG, evaluation={})
    card["refreshed"] = {"parent": "m:0", "through": "2018-01-05T10:00:00", "flights": 9}
    text = write_model_card_page(tmp_path, card, "m:1", predictor.decision.to_json()).read_text()
    assert "These are not real flights" in text
    assert "through 2018-01-05" in text
    assert "evaluation was skipped" in text
