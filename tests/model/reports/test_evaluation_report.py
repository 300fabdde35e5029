"""The report page: everything is on it, it needs nothing else, and it says what it cannot know."""

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
    "Calibration through the year",
    "Calibration through the day",
)
DASH = "\N{EN DASH}"
BANNER = "These are not real flights."


@dataclass(frozen=True)
class Run:
    """All that a training run hands to the report."""

    card: dict[str, Any]
    evaluation: dict[str, Any]
    scored: dict[str, Scored]
    predictor: Predictor
    frame: pd.DataFrame

    def page(self, folder: Path, **changes: Any) -> str:
        """Write the page, with some of the arguments changed, and read it."""
        return write_report(folder, **{**vars(self), **changes}).read_text(encoding="utf-8")


class Page(HTMLParser):
    """Collects the pieces of a page that the tests ask about, and checks that tags close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.alts: list[str] = []
        self.words: dict[str, list[str]] = {}
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the tag and, of a picture, its words for who cannot see it."""
        if tag not in ("meta", "br"):
            self.open.append(tag)
        if tag == "div" and dict(attrs).get("role") == "img":
            self.alts.append(dict(attrs)["aria-label"] or "")
        self.words.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        """Check that the tag closes the one opened last."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Add to the words of the tag that is open."""
        if self.open:
            self.words[self.open[-1]][-1] += data


def make_frame(flights: int = 2500) -> pd.DataFrame:
    """Five months of made-up flights, later in the evening than in the morning."""
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
    """A very small model, evaluated over two seeds."""
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
    """Leave the pictures blank, for tests that ask about the words around them."""
    monkeypatch.setattr(plots, "_svg", lambda _figure: "<svg></svg>")


@pytest.fixture(scope="module")
def page(run: Run, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of a full evaluation."""
    return run.page(tmp_path_factory.mktemp("report"))


@pytest.mark.usefixtures("undrawn")
def test_report_is_written_beside_the_evaluation(run: Run, tmp_path: Path) -> None:
    """The page is `report.html` in the folder that was named, and nothing else is written."""
    path = write_report(tmp_path, **vars(run))
    assert path == tmp_path / "report.html"
    assert list(tmp_path.iterdir()) == [path]


def test_every_picture_has_title_caption_and_alt_text(page: str) -> None:
    """Each picture stands in a figure with a title, one sentence, and words for screen readers."""
    parsed = Page(page)
    titles = [*EVALUATION_PICTURES, *DATA_PICTURES]
    assert parsed.words["h3"] == titles
    assert len(parsed.words["svg"]) == len(titles)
    assert len(parsed.alts) == len(titles)
    for sentence in [*parsed.words["figcaption"], *parsed.alts]:
        assert sentence.endswith(".")
        assert len(sentence) > 20


def test_table_has_every_measure_of_every_protocol(page: str, run: Run) -> None:
    """Each measure is there for each protocol, with its spread, as the evaluation has it."""
    for label, _, key in MEASURES:
        assert label in page
        for figures in run.evaluation.values():
            assert f"<td>{figures[key]:.4f}<small>± {figures['spread'][key]:.4f}</small>" in page


def test_constant_base_rate_stands_beside_the_losses(page: str, run: Run) -> None:
    """What knowing only the late share would reach is in the table too."""
    for figures in run.evaluation.values():
        assert f"<td>{figures['log_loss_constant']:.4f}</td>" in page
        assert f"<td>{figures['brier_constant']:.4f}</td>" in page


def test_protocols_are_explained(page: str, run: Run) -> None:
    """Each protocol that ran is explained; one that did not run is not mentioned."""
    for protocol, text in PROTOCOLS.items():
        assert (text in page) == (protocol in run.evaluation)


@pytest.mark.usefixtures("undrawn")
def test_one_seed_has_no_spread(run: Run, tmp_path: Path) -> None:
    """With one seed there is no spread to show."""
    evaluation = copy.deepcopy(run.evaluation)
    for figures in evaluation.values():
        figures["seeds"] = [0]
    page = run.page(tmp_path, evaluation=evaluation)
    assert "±" not in page
    assert "1 seed<" in page


def test_features_go_by_human_names(page: str) -> None:
    """Pictures speak of features in words, not in column names."""
    assert FEATURES["minute_of_day"] in page
    assert "minute_of_day" not in page


@pytest.mark.usefixtures("undrawn")
def test_sample_is_announced_loudly(page: str, run: Run, tmp_path: Path) -> None:
    """The banner stands on the page of the embedded sample, and on no other."""
    card = {**run.card, "data": {**run.card["data"], "is_sample": True}}
    assert BANNER in run.page(tmp_path, card=card)
    assert BANNER not in page


@pytest.mark.usefixtures("undrawn")
def test_skipped_evaluation_is_said(run: Run, tmp_path: Path) -> None:
    """Without an evaluation the page says so, and shows flights and importances only."""
    page = run.page(tmp_path, evaluation={}, scored={})
    assert "The evaluation was skipped." in page
    assert Page(page).words["h3"] == list(DATA_PICTURES)
    assert "<small>" not in page


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("missing", ["E1", "E2", "E3"])
def test_any_protocol_may_be_missing(run: Run, tmp_path: Path, missing: str) -> None:
    """The page does with whatever protocols there are."""
    evaluation = {k: each for k, each in run.evaluation.items() if not k.startswith(missing)}
    scored = {k: each for k, each in run.scored.items() if not k.startswith(missing)}
    page = run.page(tmp_path, evaluation=evaluation, scored=scored)
    texts = [text for name, text in PROTOCOLS.items() if name.startswith(missing)]
    assert not any(text in page for text in texts)
    assert ("Walk-forward, month by month" in page) == (missing != "E3")


@pytest.mark.usefixtures("undrawn")
def test_other_levels_of_information_are_shown(run: Run, tmp_path: Path) -> None:
    """Walk-forward with outcomes of the day before, and one nobody named, get their lines."""
    walk, flights = run.evaluation["E3.schedule"], run.scored["E3.schedule"]
    evaluation = {"E9": walk, **run.evaluation}
    scored = {"E9": flights, **run.scored}
    page = run.page(tmp_path, evaluation=evaluation, scored=scored)
    headers = [label for label in Page(page).words["th"] if re.match(r"E\d", label)]
    walks = ["E3 schedule", "E3 daily", "E3 live"]
    labels = ["E1 random rows", "E2 held-out days", *walks, "E9"]
    assert headers == labels


def test_text_is_escaped(run: Run, tmp_path: Path) -> None:
    """Nothing in the card can put markup on the page."""
    evil = "<script>alert(1)</script>"
    card = {**run.card, "importance": {evil: 0.6, "airline": 0.4}, "libraries": {evil: evil}}
    page = run.page(tmp_path, card=card)
    assert "<script" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.usefixtures("undrawn")
def test_card_without_importance_has_no_such_picture(run: Run, tmp_path: Path) -> None:
    """A card that says nothing of importances leaves their section out."""
    card = {name: part for name, part in run.card.items() if name != "importance"}
    assert "What the model looks at" not in run.page(tmp_path, card=card)


@pytest.mark.usefixtures("undrawn")
def test_figure_that_does_not_exist_is_a_dash(run: Run, tmp_path: Path) -> None:
    """A figure that could not be computed is shown as a dash, not as nan."""
    evaluation = copy.deepcopy(run.evaluation)
    evaluation["E1"]["auc"] = float("nan")
    del evaluation["E2"]["auc"]
    page = run.page(tmp_path, evaluation=evaluation)
    assert page.count(f"<td>{DASH}") == 2
    assert ">nan<" not in page


def test_page_needs_nothing_from_outside(page: str) -> None:
    """No address, no script, no style sheet, no picture file: the page is whole in itself."""
    assert not re.search(r"https?:|//[a-z]|<script|<link|<img|@import|\bsrc=", page)
    assert all(target.startswith("#") for target in re.findall(r'href="([^"]*)"', page))
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", page))


def test_page_suits_phones_and_dark_rooms(page: str) -> None:
    """The page scales to a phone and follows the reader's choice of dark or light."""
    assert 'name="viewport" content="width=device-width' in page
    assert "prefers-color-scheme: dark" in page


def test_ids_are_unique(page: str) -> None:
    """No id stands twice, so that each picture finds its own parts."""
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_same_run_same_bytes(run: Run, page: str, tmp_path: Path) -> None:
    """The same run, its protocols in any order, gives the same page to the byte."""
    backwards = dict(reversed(run.evaluation.items()))
    assert run.page(tmp_path, evaluation=backwards) == page


@pytest.mark.usefixtures("undrawn")
def test_hours_with_few_flights_are_left_out_and_said_so(run: Run, tmp_path: Path) -> None:
    """Where an hour has too few flights to say anything, captions tell that it is missing."""
    hour = run.frame["scheduled_departure"].dt.hour.to_numpy()
    early = np.flatnonzero(hour == 3)[5:]
    frame = run.frame.drop(index=run.frame.index[early])
    page = run.page(tmp_path, frame=frame, evaluation={}, scored={})
    assert "hours with fewer than 30 flights are left out" in page
