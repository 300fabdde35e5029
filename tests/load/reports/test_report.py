"""Reports, rendered from small recorded measurements."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from load.reports import report

FIXTURES = Path(__file__).parents[1]
TABLES = [
    ("load.json", report.LOAD_TABLE),
    ("peers.json", report.BASELINES_TABLE),
    ("profile.json", report.PROFILE_TABLE),
    ("overload.json", report.OVERLOAD_TABLE),
]


def _measured(name: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((FIXTURES / name).read_text())
    return result


@pytest.mark.parametrize(("source", "table"), TABLES)
def test_rows_are_as_wide_as_the_head(source: str, table: str, tmp_path: Path) -> None:
    """Every row of a table has as many cells as its head."""
    text = report.write_table(tmp_path, _measured(source), table).read_text()
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        cells = {len(re.split(r"(?<!\\)\|", line.strip())) for line in block.splitlines()}
        assert len(cells) == 1, block
    assert "None" not in text
    assert "nan" not in text


@pytest.mark.parametrize(("source", "table"), TABLES)
def test_conclusions_written_by_hand_come_last(source: str, table: str, tmp_path: Path) -> None:
    """A new measurement replaces the figures and keeps the conclusions."""
    conclusions = tmp_path / table.replace(".md", "-conclusions.md")
    conclusions.write_text("## Conclusions\n\nIt is fast.\n")
    text = report.write_table(tmp_path, _measured(source), table).read_text()
    assert text.endswith("## Conclusions\n\nIt is fast.\n")


def test_the_table_of_the_load_gives_what_was_measured(tmp_path: Path) -> None:
    """The row of 64 connections holds the measured figures."""
    result = _measured("load.json")
    text = report.write_table(tmp_path, result).read_text()
    run = result["closed"][1]
    assert f"| 64 | 1 | {run['requests']:,} | {run['rate']:,.0f} |" in text
    assert "real flights" in text


def test_made_up_flights_are_labelled(tmp_path: Path) -> None:
    """Table and page say that the flights are not real."""
    result = _measured("load.json")
    result["workload"]["is_sample"] = True
    assert "NOT real" in report.write_table(tmp_path, result).read_text()
    assert "not real ones" in report.write_page(tmp_path, result).read_text()


def test_a_baseline_that_could_not_be_measured_is_named_with_its_reason(tmp_path: Path) -> None:
    """The table does not omit it."""
    text = report.write_table(tmp_path, _measured("peers.json"), report.BASELINES_TABLE).read_text()
    assert "LitServe, defaults could not be measured: no answer after 90 s" in text


def test_the_page_has_no_external_resource(tmp_path: Path) -> None:
    """The page holds six pictures, no external address and no duplicate id."""
    page = report.write_page(tmp_path, _measured("load.json")).read_text()
    assert page.count("<svg") == 6
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", page)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    ("value", "written"),
    [(None, "-"), (0.123, "0.12"), (12.34, "12.3"), (1234.5, "1,234")],
)
def test_latencies_have_three_significant_digits(value: float | None, written: str) -> None:
    """A missing value is a dash."""
    assert report.milliseconds(value) == written
