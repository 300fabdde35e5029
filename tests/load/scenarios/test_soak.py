"""The long run: a leak is told from noise, and noise from a leak."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import typer

from load.scenarios import soak
from load.scenarios.soak import Line, Notes, judge
from load.tools import wrk

SECONDS = np.arange(180.0)


def notes(growth_mb_per_hour: float = 0.0, handles: int = 0) -> Notes:
    """Notes of three noisy minutes with so much growth."""
    noise = np.random.default_rng(3).normal(0, 0.3, len(SECONDS))
    memory = 170 + growth_mb_per_hour * SECONDS / 3600 + noise
    opened = np.linspace(40, 40 + handles, len(SECONDS)).astype(int)
    return Notes(SECONDS.tolist(), memory.tolist(), opened.tolist())


def p99(growth_ms_per_hour: float = 0.0) -> list[tuple[float, float]]:
    """The p99 of each second of a noisy run."""
    noise = np.random.default_rng(4).normal(0, 1.0, len(SECONDS))
    values = 12 + growth_ms_per_hour * SECONDS / 3600 + noise
    return list(zip(SECONDS.tolist(), values.tolist(), strict=True))


def test_a_line_has_its_slope_within_its_confidence() -> None:
    """The true slope lies inside the interval, which is the narrower the less noise there is."""
    line = Line.fit(SECONDS.tolist(), (5 + 100 * SECONDS / 3600).tolist())
    assert line.slope == pytest.approx(100)
    assert line.high - line.low < 1e-6
    noisy = Line.fit(SECONDS.tolist(), notes(100).memory_mb)
    assert noisy.low < 100 < noisy.high


def test_noise_alone_is_no_fault() -> None:
    """A steady service is not accused, not even where the host slowed down for a moment."""
    assert judge(notes(), p99(), 0, 0.005)["faults"] == []


def test_settling_is_no_fault_of_a_short_run() -> None:
    """What would be much in an hour is little in three minutes; in half an hour it is a leak."""
    made, by_second = notes(growth_mb_per_hour=100), p99(growth_ms_per_hour=100)
    assert judge(made, by_second, 0)["faults"] == []
    longer = [10 * second for second in made.seconds]
    grown = [170 + (value - 170) * 10 for value in made.memory_mb]
    assert len(judge(Notes(longer, grown, made.handles), p99(), 0)["faults"]) == 1


def test_only_what_is_seen_again_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With two tries, one bad run is followed by another, and the last one counts."""
    runs = [["a fault"], [], ["a fault"], ["a fault"]]
    monkeypatch.setattr(wrk, "install", lambda: None)
    monkeypatch.setattr(soak, "measure", lambda *_: {"faults": runs.pop(0)})
    soak.main(minutes=1, docs=False, reports=tmp_path, tries=2)
    assert len(runs) == 2
    with pytest.raises(typer.Exit):
        soak.main(minutes=1, docs=False, reports=tmp_path, tries=2)
    assert json.loads((tmp_path / "soak.json").read_text()) == {"faults": ["a fault"]}


@pytest.mark.parametrize(
    ("made", "by_second", "failed", "refused", "word"),
    [
        (notes(growth_mb_per_hour=600), p99(), 0, 0.0, "memory"),
        (notes(handles=40), p99(), 0, 0.0, "handles"),
        (notes(), p99(growth_ms_per_hour=400), 0, 0.0, "p99"),
        (notes(), p99(), 3, 0.0, "failed"),
        (notes(), p99(), 0, 0.02, "refused"),
    ],
)
def test_drift_is_named(
    made: Notes, by_second: list[tuple[float, float]], failed: int, refused: float, word: str
) -> None:
    """Each kind of drift is found, and named alone."""
    faults = judge(made, by_second, failed, refused)["faults"]
    assert len(faults) == 1
    assert word in faults[0]
