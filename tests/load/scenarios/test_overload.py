"""Comparison of overload measurements with their bars."""

from __future__ import annotations

from typing import Any

import pytest

from load.scenarios.overload import bars, median_latencies, together
from load.tools.open_loop import OpenRun


def step(goodput: float, p99: float, refused_p99: float, lost: int = 0) -> dict[str, Any]:
    """Return one step of an overload run."""
    return {
        "goodput": goodput,
        "latency_ms": {"p99": p99},
        "refused_ms": {"p99": refused_p99},
        "refused": 100,
        "failed": 100 + lost,
    }


def met(worst: dict[str, Any], after_ms: float = 10.0, beside: float = 2.0) -> list[bool]:
    """Return for each bar whether it is met."""
    steps = [step(50, 10, 1), step(95, 200, 5), step(100, 220, 5), worst]
    after = {"seconds": [{"second": n, "p99": 500.0 if n < 2 else after_ms} for n in range(6)]}
    found = bars({"steps": steps, "after": after}, {"p99_ratio": beside})
    return [bar["met"] for bar in found]


def test_a_good_run_meets_all_bars() -> None:
    """Goodput, p99, refusals, recovery, losses and small requests during bulk meet theirs."""
    assert met(step(95, 220, 8)) == [True] * 6


@pytest.mark.parametrize(
    ("missed", "worst", "more"),
    [
        (0, step(84, 220, 8), {}),
        (1, step(95, 401, 8), {}),
        (2, step(95, 220, 21), {}),
        (3, step(95, 220, 8), {"after_ms": 21.0}),
        (4, step(95, 220, 8, lost=1), {}),
        (5, step(95, 220, 8), {"beside": 3.1}),
    ],
)
def test_each_bar_can_be_missed(missed: int, worst: dict[str, Any], more: dict[str, float]) -> None:
    """One bad figure misses its own bar and no other."""
    assert met(worst, **more) == [number != missed for number in range(6)]


def test_rounds_are_put_together() -> None:
    """Counts are added; other figures are medians of the rounds that have them."""
    runs = [
        {**step(goodput, p99, p99 / 10), "share": 4.0, "rate": 400.0, "cores": {"worker": 0.9}}
        for goodput, p99 in ((90.0, 300.0), (50.0, 500.0), (80.0, 200.0))
    ]
    runs[1]["refused_ms"] = {}
    found = together(runs)
    assert (found["refused"], found["failed"]) == (300, 300)
    assert (found["share"], found["rate"], found["goodput"]) == (4.0, 400.0, 80.0)
    assert found["latency_ms"] == {"p99": 300.0}
    assert found["refused_ms"] == {"p99": 25.0}
    assert found["goodputs"] == [90.0, 50.0, 80.0]
    assert together([{**run, "refused_ms": {}} for run in runs])["refused_ms"] == {}


def test_latencies_of_rounds_are_their_medians() -> None:
    """One slow round does not change the medians; its failed requests count."""
    runs = [
        OpenRun(300.0, 1_800, {"p50": p50, "p99": p99}, {}, [], failed, 0, {}, 0.1)
        for p50, p99, failed in ((1.0, 3.0, 0), (2.0, 50.0, 2), (1.5, 4.0, 0))
    ]
    assert median_latencies(runs) == {"latency_ms": {"p50": 1.5, "p99": 4.0}, "failed": 2}
