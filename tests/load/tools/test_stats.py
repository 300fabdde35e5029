"""Statistics of the measurements."""

from __future__ import annotations

import numpy as np
import pytest

from load.tools.stats import by_second, percentiles, summary


def test_percentiles_are_measured_values() -> None:
    """The nearest rank is used: of 1 to 100, the 99th percentile is 99."""
    found = percentiles(list(range(1, 101)))
    assert (found["p50"], found["p90"], found["p99"], found["max"]) == (50, 90, 99, 100)
    assert found["mean"] == pytest.approx(50.5)


def test_no_values_have_no_percentiles() -> None:
    """The result is an empty dictionary without NaN."""
    assert percentiles([]) == {}


def test_a_summary_keeps_its_rounds() -> None:
    """Median, range and the rounds themselves show the noise."""
    assert summary([3.0, 1.0, 2.0]) == {
        "median": 2.0,
        "low": 1.0,
        "high": 3.0,
        "rounds": [3.0, 1.0, 2.0],
    }


def test_latency_is_split_by_second() -> None:
    """Seconds without a due request are left out."""
    rows = by_second(np.array([0.1, 0.9, 2.5]), np.array([1.0, 3.0, 7.0]))
    assert [(row["second"], row["answers"], row["max"]) for row in rows] == [(0, 2, 3.0), (2, 1, 7)]
