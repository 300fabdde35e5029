"""Test that the report page is complete, self-contained, escaped and reproducible."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from model.evaluation.protocols import Scored, evaluate
from model.inference.predictor import Predictor
from model.reports import plots
from model.reports.card import make_card
from model.reports.evaluation_report import FEATURES, MEASURES, PROTOCOLS, write_report
from model.training.fit import PARAMETERS, TrainingConfig, fit

DATA_PICTURES = ("Feature importances", "Late share by month", "Late share by hour of the day")
EVALUATION_PICTURES = (
    "ROC curve",
    "Precision and recall",
    "Reliability",
    "Walk-forward, month by month",
    "Calibration by month",
    "Calibration by hour",
)
DASH = "\N{EN DASH}"
BANNER = "These are not real flights."


@dataclass(frozen=True)
class Run:
    """Arguments of `write_report` from one training run."""

    card: dict[str, Any]
    evaluation: dict[str, Any]
    scored: dict[str, Scored]
    predictor: Predictor
    frame: pd.DataFrame

    def page(self, folder: Path, **changes: Any) -> str:
        """Write the page with some arguments changed, and return its text."""
        return write_report(folder, **{**vars(self), **changes}).read_text(encoding="utf-8")


class Page(HTMLParser):
    """Parser that collects texts and alternative texts, and checks that tags close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.alts: list[str] = []
        self.words: dict[str, list[str]] = {}
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record the tag and, for a picture, its alternative text."""
        if tag not in ("meta", "br"):
            self.open.append(tag)
        if tag == "div" and dict(attrs).get("role") == "img":
            self.alts.append(dict(attrs)["aria-label"] or "")
        self.words.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        """Check that the tag closes the last open one."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Append text to the words of the open tag."""
        if self.open:
            self.words[self.open[-1]][-1] += data


def make_frame(flights: int = 2500) -> pd.DataFrame:
    """Return five months of generated flights with longer delays after noon."""
    rng = np.random.default_rng(0)
    minute = np.sort(rng.choice(150 * 1440, flights, replace=False))
    departure = np.datetime64("2017-01-01T00:00", "s") + minute.astype("timedelta64[m]")
    delay = np.round(rng.exponential(6 + 6 * (minute % 1440 > 720))).astype(float)
    return pd.DataFrame(
        {
            "airline": rng.choice(["LAN", "SKU", "AAL"], flights),
            "flight_number": rng.choice(["120", "32", "940"], flights),
            "destination": rng.choice(["SCFA", "SAEZ", "KMIA"], flights),
            "scheduled_departure": departure,
            "flight_type": rng.choice(["N", "I"], flights),
            "actual_departure": departure + delay.astype("timedelta64[m]"),
            "operated_airline": "LAN",
            "operated_flight_number": "120",
            "operated_destination": "SCFA",
            "operator_name": "Grupo LATAM",
            "delay_minutes": delay,
            "delayed": delay > 15,
            "file_row": np.arange(flights),
        }
    )


@pytest.fixture(scope="module")
def run() -> Run:
    """Return a very small model, evaluated over two seeds."""
    frame = make_frame()
    config = TrainingConfig(parameters={**PARAMETERS, "num_threads": 1}, rounds=3)
    evaluation, scored = evaluate(frame, config, [0, 1])
    predictor = fit(frame, config)
    card = make_card(
        frame, is_sample=False, predictor=predictor, config=config, evaluation=evaluation
    )
    return Run(card, evaluation, scored, predictor, frame)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the pictures empty, for tests of the text around them."""
    monkeypatch.setattr(plots, "_svg", lambda _figure: "<svg></svg>")


@pytest.fixture(scope="module")
def page(run: Run, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the page of a full evaluation."""
    return run.page(tmp_path_factory.mktemp("report"))


@pytest.mark.usefixtures("undrawn")
def test_report_is_written_beside_the_evaluation(run: Run, tmp_path: Path) -> None:
    """The only file in the given folder is `report.html`."""
    path = write_report(tmp_path, **vars(run))
    assert path == tmp_path / "report.html"
    assert list(tmp_path.iterdir()) == [path]


def test_every_picture_has_title_caption_and_alt_text(page: str) -> None:
    """Each picture has a title, a caption and an alternative text."""
    parsed = Page(page)
    titles = [*EVALUATION_PICTURES, *DATA_PICTURES]
    assert parsed.words["h3"] == titles
    assert len(parsed.words["svg"]) == len(titles)
    assert len(parsed.alts) == len(titles)
    for sentence in [*parsed.words["figcaption"], *parsed.alts]:
        assert sentence.endswith(".")
        assert len(sentence) > 20


def test_table_has_every_measure_of_every_protocol(page: str, run: Run) -> None:
    """The table has each measure of each protocol, with its spread."""
    for label, _, key in MEASURES:
        assert label in page
        for figures in run.evaluation.values():
            assert f"<td>{figures[key]:.4f}<small>± {figures['spread'][key]:.4f}</small>" in page


def test_constant_base_rate_stands_beside_the_losses(page: str, run: Run) -> None:
    """The table has the losses of the constant base rate."""
    for figures in run.evaluation.values():
        assert f"<td>{figures['log_loss_constant']:.4f}</td>" in page
        assert f"<td>{figures['brier_constant']:.4f}</td>" in page


def test_protocols_are_explained(page: str, run: Run) -> None:
    """The page explains the protocols that ran, and no other."""
    for protocol, text in PROTOCOLS.items():
        assert (text in page) == (protocol in run.evaluation)


@pytest.mark.usefixtures("undrawn")
def test_one_seed_has_no_spread(run: Run, tmp_path: Path) -> None:
    """The page of one seed has no spread."""
    evaluation = copy.deepcopy(run.evaluation)
    for figures in evaluation.values():
        figures["seeds"] = [0]
    page = run.page(tmp_path, evaluation=evaluation)
    assert "±" not in page
    assert "1 seed<" in page


def test_features_have_readable_names(page: str) -> None:
    """Pictures name features in words, not by column names."""
    assert FEATURES["minute_of_day"] in page
    assert "minute_of_day" not in page


@pytest.mark.usefixtures("undrawn")
def test_sample_has_a_banner(page: str, run: Run, tmp_path: Path) -> None:
    """Only the page of the embedded sample has the banner."""
    card = {**run.card, "data": {**run.card["data"], "is_sample": True}}
    assert BANNER in run.page(tmp_path, card=card)
    assert BANNER not in page


@pytest.mark.usefixtures("undrawn")
def test_skipped_evaluation_is_said(run: Run, tmp_path: Path) -> None:
    """A page without an evaluation says so, and shows flights and importances only."""
    page = run.page(tmp_path, evaluation={}, scored={})
    assert "The evaluation was skipped." in page
    assert Page(page).words["h3"] == list(DATA_PICTURES)
    assert "<small>" not in page


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("missing", ["E1", "E2", "E3"])
def test_any_protocol_may_be_missing(run: Run, tmp_path: Path, missing: str) -> None:
    """The page is complete when a protocol did not run."""
    evaluation = {k: each for k, each in run.evaluation.items() if not k.startswith(missing)}
    scored = {k: each for k, each in run.scored.items() if not k.startswith(missing)}
    page = run.page(tmp_path, evaluation=evaluation, scored=scored)
    texts = [text for name, text in PROTOCOLS.items() if name.startswith(missing)]
    assert not any(text in page for text in texts)
    assert ("Walk-forward, month by month" in page) == (missing != "E3")


@pytest.mark.usefixtures("undrawn")
def test_other_levels_of_information_are_shown(run: Run, tmp_path: Path) -> None:
    """All levels of walk-forward, and a protocol without a label, have a column."""
    walk, flights = run.evaluation["E3.schedule"], run.scored["E3.schedule"]
    evaluation = {"E9": walk, **run.evaluation}
    scored = {"E9": flights, **run.scored}
    page = run.page(tmp_path, evaluation=evaluation, scored=scored)
    headers = [label for label in Page(page).words["th"] if re.search(r"\bE\d", label)]
    walks = [f"walk-forward {level} (E3)" for level in ("schedule", "daily", "live")]
    assert headers == ["random split (E1)", "split by day (E2)", *walks, "E9"]


def test_text_is_escaped(run: Run, tmp_path: Path) -> None:
    """Nothing in the card can put markup on the page."""
    evil = "<script>alert(1)</script>"
    card = {**run.card, "importance": {evil: 0.6, "airline": 0.4}, "libraries": {evil: evil}}
    page = run.page(tmp_path, card=card)
    assert "<script" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.usefixtures("undrawn")
def test_card_without_importance_has_no_such_picture(run: Run, tmp_path: Path) -> None:
    """The page of a card without importances has no section for them."""
    card = {name: part for name, part in run.card.items() if name != "importance"}
    assert "<h2>Features" in run.page(tmp_path)
    assert "<h2>Features" not in run.page(tmp_path, card=card)


@pytest.mark.usefixtures("undrawn")
def test_figure_that_does_not_exist_is_a_dash(run: Run, tmp_path: Path) -> None:
    """A figure that could not be computed is a dash, not nan."""
    evaluation = copy.deepcopy(run.evaluation)
    evaluation["E1"]["auc"] = float("nan")
    del evaluation["E2"]["auc"]
    page = run.page(tmp_path, evaluation=evaluation)
    assert page.count(f"<td>{DASH}") == 2
    assert ">nan<" not in page


def test_page_needs_nothing_from_outside(page: str) -> None:
    """The page refers to no address, script, style sheet or picture file."""
    assert not re.search(r"https?:|//[a-z]|<script|<link|<img|@import|\bsrc=", page)
    assert all(target.startswith("#") for target in re.findall(r'href="([^"]*)"', page))
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", page))


def test_page_scales_and_has_a_dark_theme(page: str) -> None:
    """The page scales to a phone and follows the preferred colour scheme."""
    assert 'name="viewport" content="width=device-width' in page
    assert "prefers-color-scheme: dark" in page


def test_ids_are_unique(page: str) -> None:
    """No id occurs twice, so that references in a picture are its own."""
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_same_run_same_bytes(run: Run, page: str, tmp_path: Path) -> None:
    """The page does not depend on the order of the protocols."""
    backwards = dict(reversed(run.evaluation.items()))
    assert run.page(tmp_path, evaluation=backwards) == page


@pytest.mark.usefixtures("undrawn")
def test_hours_with_few_flights_are_left_out_and_said_so(run: Run, tmp_path: Path) -> None:
    """A caption says that hours with too few flights are left out."""
    hour = run.frame["scheduled_departure"].dt.hour.to_numpy()
    early = np.flatnonzero(hour == 3)[5:]
    frame = run.frame.drop(index=run.frame.index[early])
    page = run.page(tmp_path, frame=frame, evaluation={}, scored={})
    assert "hours with fewer than 30 flights are left out" in page
