"""The soak run separates a leak from noise."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import typer

from load.scenarios import soak
from load.scenarios.soak import Line, Samples, judge
from load.tools import wrk

SECONDS = np.arange(180.0)


def samples(growth_mb_per_hour: float = 0.0, handles: int = 0) -> Samples:
    """Return samples of three noisy minutes with growth."""
    noise = np.random.default_rng(3).normal(0, 0.3, len(SECONDS))
    memory = 170 + growth_mb_per_hour * SECONDS / 3600 + noise
    opened = np.linspace(40, 40 + handles, len(SECONDS)).astype(int)
    return Samples(SECONDS.tolist(), memory.tolist(), opened.tolist())


def p99(growth_ms_per_hour: float = 0.0) -> list[tuple[float, float]]:
    """Return the p99 of each second of a noisy run."""
    noise = np.random.default_rng(4).normal(0, 1.0, len(SECONDS))
    values = 12 + growth_ms_per_hour * SECONDS / 3600 + noise
    return list(zip(SECONDS.tolist(), values.tolist(), strict=True))


def test_a_line_has_its_slope_within_its_confidence() -> None:
    """The true slope lies inside the interval, which is narrow without noise."""
    line = Line.fit(SECONDS.tolist(), (5 + 100 * SECONDS / 3600).tolist())
    assert line.slope == pytest.approx(100)
    assert line.high - line.low < 1e-6
    noisy = Line.fit(SECONDS.tolist(), samples(100).memory_mb)
    assert noisy.low < 100 < noisy.high


def test_noise_alone_is_no_fault() -> None:
    """A steady service has no fault, even if the host slowed down for a moment."""
    assert judge(samples(), p99(), 0, 0.005)["faults"] == []


def test_growth_at_the_start_is_no_fault_of_a_short_run() -> None:
    """A slope that is accepted over three minutes is reported over half an hour."""
    made, by_second = samples(growth_mb_per_hour=100), p99(growth_ms_per_hour=100)
    assert judge(made, by_second, 0)["faults"] == []
    longer = [10 * second for second in made.seconds]
    grown = [170 + (value - 170) * 10 for value in made.memory_mb]
    assert len(judge(Samples(longer, grown, made.handles), p99(), 0)["faults"]) == 1


def test_a_fault_must_repeat_to_fail(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A faulty run is repeated if two tries are allowed, and the last one counts."""
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
        (samples(growth_mb_per_hour=600), p99(), 0, 0.0, "memory"),
        (samples(handles=40), p99(), 0, 0.0, "handles"),
        (samples(), p99(growth_ms_per_hour=400), 0, 0.0, "p99"),
        (samples(), p99(), 3, 0.0, "failed"),
        (samples(), p99(), 0, 0.02, "refused"),
    ],
)
def test_drift_is_named(
    made: Samples, by_second: list[tuple[float, float]], failed: int, refused: float, word: str
) -> None:
    """Each kind of drift is reported, and no other with it."""
    faults = judge(made, by_second, failed, refused)["faults"]
    assert len(faults) == 1
    assert word in faults[0]
