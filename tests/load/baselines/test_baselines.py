"""Baselines in their own locked environments, compared round by round."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from load.baselines.__main__ import Found, has_number, paired_ratio, to_json
from load.baselines.catalogue import BASELINES, BY_KEY, REFERENCES, records, v2
from load.baselines.virtualenv import REQUIREMENTS, BaselineError, find_uv

FLIGHTS: list[dict[str, Any]] = [
    {"airline": "LAN", "flight_number": "120"},
    {"airline": "SKU", "flight_number": "40"},
]
ROUND = {"rate": 100.0, "p50_ms": 1.0, "p99_ms": 2.0, "failed": 0.0}


def test_keys_are_distinct_and_name_the_references() -> None:
    """``--only`` and the ratios select baselines by key."""
    assert len(BY_KEY) == len(BASELINES)
    assert set(REFERENCES) <= set(BY_KEY)


@pytest.mark.parametrize("baseline", BASELINES, ids=lambda baseline: baseline.key)
def test_every_baseline_has_a_lock_with_hashes_and_without_addresses(baseline: Any) -> None:
    """Every version is pinned, and the lock names no package index."""
    if baseline.requirements is None:
        return
    lock = (REQUIREMENTS / f"{baseline.requirements}.txt").read_text()
    pinned = re.findall(r"^([a-z0-9][\w.-]*(?:\[.*\])?)==", lock, re.MULTILINE | re.IGNORECASE)
    assert set(baseline.packages) <= {name.partition("[")[0].lower() for name in pinned}
    assert lock.count("--hash=sha256:") >= len(pinned)
    assert "://" not in lock


@pytest.mark.parametrize("baseline", BASELINES, ids=lambda baseline: baseline.key)
def test_every_server_listens_on_the_loopback_interface_alone(baseline: Any) -> None:
    """The address stands in its command, its settings or its code."""
    servers = Path(__file__).parents[3] / "load" / "baselines" / "servers"
    texts = [baseline.command]
    if "servers." in baseline.command:
        module = re.search(r"servers\.(\w+)", baseline.command)
        assert module
        texts.append((servers / f"{module[1]}.py").read_text())
    if "servers/mlserver" in baseline.command:
        texts.append((servers / "mlserver" / "settings.json").read_text())
    assert any("127.0.0.1" in text for text in texts)


def test_flights_are_the_same_in_every_protocol() -> None:
    """Only the format differs between protocols."""
    assert records(FLIGHTS) == {"dataframe_records": FLIGHTS}
    columns = {each["name"]: each["data"] for each in v2(FLIGHTS)["inputs"]}
    assert columns == {"airline": ["LAN", "SKU"], "flight_number": ["120", "40"]}


def test_the_models_probability_is_found_in_any_answer() -> None:
    """The check does not depend on the name of the field."""
    answer = json.dumps({"outputs": [{"data": [0.24145476399775842]}]})
    assert has_number(answer, 0.24145476399775842)
    assert not has_number(answer, 0.24145)
    assert not has_number("no numbers", 0.5)


def test_ratios_are_taken_round_by_round() -> None:
    """A slow round then changes both rates alike."""
    mine = [{"rate": 10.0}, {"rate": 40.0}, {"rate": 30.0}]
    theirs = [{"rate": 20.0}, {"rate": 20.0}, {"rate": 20.0}]
    assert paired_ratio(mine, theirs) == 1.5
    assert paired_ratio([], theirs) is None


def test_a_baseline_is_reported_with_its_medians_and_ratios() -> None:
    """Ratios are given for the references that were measured."""
    ours = Found(BY_KEY["ours"], {"bentoml": "1"}, [{**ROUND, "rate": 400.0}])
    fastapi = Found(BY_KEY["fastapi"], {"fastapi": "1"}, [ROUND])
    reported = to_json(fastapi, [ours, fastapi])
    assert reported["rate"]["median"] == 100.0
    assert reported["of"] == {"ours": 0.25, "fastapi": 1.0}


def test_a_baseline_without_a_round_is_reported_with_its_reason() -> None:
    """The entry has neither figures nor ratios."""
    ray = Found(BY_KEY["ray"], reason="no wheel")
    reported = to_json(ray, [Found(BY_KEY["ours"], {}, [ROUND]), ray])
    assert (reported["reason"], reported["of"]) == ("no wheel", {"ours": None})


def test_a_missing_uv_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The message holds the command that installs it."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("UV", raising=False)
    monkeypatch.setattr("load.baselines.virtualenv.PROJECT", tmp_path)
    with pytest.raises(BaselineError, match="make"):
        find_uv()
