"""Test the pictures of the report: correct curves, and reproducible inline SVG."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from model.evaluation.protocols import Scored
from model.reports import plots

RUNS = ("E1", "E2", "E3.schedule")


def make_scored(seed: int = 0, n: int = 3000) -> Scored:
    """Return scored flights whose probabilities are calibrated by construction."""
    rng = np.random.default_rng(seed)
    probability = rng.beta(2, 8, n)
    late = rng.random(n) < probability
    return Scored(np.arange(n), late, probability, np.full(n, 0.2))


@pytest.fixture(scope="module")
def scored() -> dict[str, Scored]:
    """Return the scored flights of three protocols."""
    return {name: make_scored(seed) for seed, name in enumerate(RUNS)}


def text_of(svg: str) -> str:
    """Return all words of a picture."""
    return " ".join(ET.fromstring(svg).itertext())  # noqa: S314 - made here


def test_roc_rises_from_corner_to_corner(scored: dict[str, Scored]) -> None:
    """Both rates of a ROC curve never fall, and go from 0 to 1."""
    false_positive, true_positive = plots.roc_points(scored["E1"])
    assert (np.diff(false_positive) >= 0).all()
    assert (np.diff(true_positive) >= 0).all()
    assert (false_positive[0], true_positive[0]) == (0, 0)
    assert (false_positive[-1], true_positive[-1]) == (1, 1)


def test_thinned_roc_keeps_the_area(scored: dict[str, Scored]) -> None:
    """Leaving points out changes the area under the curve by less than .002."""
    run = scored["E1"]
    false_positive, true_positive = plots.roc_points(run)
    assert len(false_positive) <= plots.MAXIMUM_POINTS
    area = np.trapezoid(true_positive, false_positive)
    assert area == pytest.approx(roc_auc_score(run.late, run.probability), abs=0.002)


def test_precision_recall_ends_at_the_late_share(scored: dict[str, Scored]) -> None:
    """At a recall of 1 the precision is the late share."""
    run = scored["E1"]
    recall, precision = plots.precision_recall_points(run)
    assert (np.diff(recall) <= 0).all()
    assert recall[0] == 1
    assert precision[0] == pytest.approx(run.late.mean())
    assert recall[-1] >= plots.MINIMUM_RECALL


def test_group_means_are_those_of_the_groups() -> None:
    """Keys are in order, each with its number of rows and the mean of every column."""
    keys, count, mean, late = plots.group_means(
        np.array([7, 3, 7]), np.array([0.1, 0.2, 0.3]), np.array([True, False, False])
    )
    assert keys.tolist() == [3, 7]
    assert count.tolist() == [1, 2]
    assert mean == pytest.approx([0.2, 0.2])
    assert late == pytest.approx([0.0, 0.5])


def test_same_flights_same_bytes(scored: dict[str, Scored]) -> None:
    """Two drawings of the same flights are the same bytes."""
    assert plots.roc(scored) == plots.roc(scored)


def test_picture_is_a_well_formed_svg_without_addresses(scored: dict[str, Scored]) -> None:
    """The SVG parses, scales with the page, and has no address and no date."""
    svg = plots.roc(scored)
    root = ET.fromstring(svg)  # noqa: S314 - made here
    assert root.tag == "svg"
    assert "viewBox" in root.attrib
    assert "width" not in root.attrib
    assert "http" not in svg
    assert "<metadata" not in svg


def test_colours_follow_the_page(scored: dict[str, Scored]) -> None:
    """Every colour is a CSS variable of the page, so that the dark theme applies."""
    svg = plots.reliability_curve(scored, "E2")
    assert not re.findall(r"#[0-9a-f]{6}\b", svg)
    used = set(re.findall(r"var\(--([a-z]+)\)", svg))
    assert {"ink", "muted", "blue"} <= used <= set(plots.PALETTE)


def test_ids_of_two_pictures_differ(scored: dict[str, Scored]) -> None:
    """Two pictures in one page share no id, and each refers only to its own."""
    first, second = plots.roc(scored), plots.precision_recall(scored, "E1", 0.25)
    ids = [set(re.findall(r'\bid="([^"]+)"', svg)) for svg in (first, second)]
    assert not ids[0] & ids[1]
    references = re.findall(r'(?:url\(#|href="#)([^)"]+)', first)
    assert references
    assert set(references) <= ids[0]


def test_settings_of_the_process_are_ignored_and_kept(scored: dict[str, Scored]) -> None:
    """Matplotlib settings of the process do not change a picture, and a picture keeps them."""
    expected = plots.roc(scored)
    with mpl.rc_context():
        mpl.rc("font", size=30)
        mpl.rc("lines", linewidth=9)
        assert plots.roc(scored) == expected
        assert mpl.rcParams["font.size"] == 30
        assert mpl.rcParams["svg.hashsalt"] is None


def test_every_protocol_is_in_the_legend(scored: dict[str, Scored]) -> None:
    """The legend has the label of each protocol, and the key of one without a label."""
    words = text_of(plots.roc({**scored, "E9": make_scored(9)}))
    assert all(plots.line_of(name).label in words for name in RUNS)
    assert "E9" in words


def test_threshold_is_marked_only_where_it_is_reached(scored: dict[str, Scored]) -> None:
    """A threshold that no flight reaches has no dot."""
    assert "at 0.25" in text_of(plots.precision_recall(scored, "E1", 0.25))
    assert "at 1.00" not in text_of(plots.precision_recall(scored, "E1", 1.0))


def test_years_are_written_once() -> None:
    """A month axis has each year at its first month only."""
    months = ["2017-11", "2017-12", "2018-01", "2018-02"]
    words = text_of(plots.late_share_by_month(months, np.full(4, 0.2))).split()
    assert [words.count(word) for word in ("Nov", "Feb", "2017", "2018")] == [1, 1, 1, 1]


def test_many_months_keep_a_readable_axis() -> None:
    """An axis of three years has 12 labels."""
    months = [f"{year}-{month:02}" for year in (2017, 2018, 2019) for month in range(1, 13)]
    words = text_of(plots.late_share_by_month(months, np.full(36, 0.2))).split()
    assert sum(words.count(month) for month in plots.MONTHS) == 12


def test_names_are_text_and_not_formulas() -> None:
    """Characters with a meaning in SVG or in matplotlib's formulas are drawn as they are."""
    svg = plots.importances(["<b>$x_1$ & co</b>", "Airline"], np.array([0.7, 0.3]))
    assert "<b>" not in svg
    assert "<b>$x_1$ & co</b>" in text_of(svg)
