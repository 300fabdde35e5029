"""Tests that alert rules, dashboard and runbook use existing metrics and match each other."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

from serving import metrics
from tests.support.server import PROJECT

MONITORING = PROJECT / "deploy" / "monitoring"
RULES = MONITORING / "alerts.yaml"
_METRIC = re.compile(r"\bflight_delay_\w+")


@pytest.fixture(scope="module")
def rules() -> list[dict[str, Any]]:
    """Return the alert rules."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.fixture(scope="module")
def dashboard() -> dict[str, Any]:
    """Return the Grafana dashboard."""
    read: dict[str, Any] = json.loads((MONITORING / "dashboard.json").read_text())
    return read


@pytest.fixture(scope="module")
def exposed() -> set[str]:
    """Return the names of all series that the service can expose."""
    assert metrics.buffer
    names: set[str] = set()
    for family in REGISTRY.collect():
        ends = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
        names |= {family.name + end for end in ends.get(family.type, [""])}
    return {name for name in names if name.startswith("flight_delay_")}


def test_alerts_use_existing_metrics(rules: list[dict[str, Any]], exposed: set[str]) -> None:
    """Every series of a rule is exposed by the service."""
    for rule in rules:
        asked = set(_METRIC.findall(rule["expr"]))
        assert asked, rule["alert"]
        assert asked <= exposed, rule["alert"]


def test_panels_use_existing_metrics(dashboard: dict[str, Any], exposed: set[str]) -> None:
    """Every series of a panel is exposed, and every metric has a panel."""
    asked: set[str] = set()
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            found = set(_METRIC.findall(target["expr"]))
            assert found, panel["title"]
            assert found <= exposed, panel["title"]
            asked |= found
    for name in ("queue_flights", "wait_seconds_bucket", "batch_flights_bucket", "unknown_total",
                 "predict_seconds_bucket", "refusals_total", "model_info"):  # fmt: skip
        assert f"flight_delay_{name}" in asked


def test_every_alert_has_a_section_in_the_runbook(rules: list[dict[str, Any]]) -> None:
    """The runbook's sections are exactly the alerts."""
    text = (PROJECT / "docs" / "operations.md").read_text()
    described = re.findall(r"^### (\w+)$", text, re.MULTILINE)
    assert described == [rule["alert"] for rule in rules]
    for rule in rules:
        assert rule["annotations"]["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"


def test_the_runbook_lists_existing_metrics(exposed: set[str]) -> None:
    """The table of metrics equals the service's metrics."""
    text = (PROJECT / "docs" / "operations.md").read_text()
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in exposed}
    told = set(re.findall(r"^\| `(flight_delay_\w+)", text, re.MULTILINE))
    assert told <= families


def test_prometheus_accepts_the_rules() -> None:
    """`promtool` accepts the rules, if it is installed (Debian: prometheus)."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    run = subprocess.run(
        [promtool, "check", "rules", str(RULES)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
