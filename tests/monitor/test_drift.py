"""Distances between distributions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from monitor.control_chart import jensen_shannon, population_stability

STARTS = np.array([0, 3])
POOL = np.array([[10.0, 20.0, 30.0, 5.0, 0.0]])


def test_jensen_shannon_agrees_with_scipy() -> None:
    """The distance is SciPy's, feature by feature, also with empty bins."""
    counts = np.array([[30.0, 20.0, 10.0, 0.0, 7.0], [1.0, 0.0, 0.0, 4.0, 4.0]])
    found = jensen_shannon(counts, POOL, STARTS)
    for row, weeks in zip(found, counts, strict=True):
        expected = [
            jensenshannon(weeks[:3], POOL[0, :3], base=2),
            jensenshannon(weeks[3:], POOL[0, 3:], base=2),
        ]
        assert row == pytest.approx(expected)


def test_same_shares_have_no_distance() -> None:
    """The number of flights does not matter, only their shares."""
    assert jensen_shannon(7 * POOL, POOL, STARTS) == pytest.approx(0.0, abs=1e-7)


def test_population_stability_by_hand() -> None:
    """PSI is the sum of (ours - theirs) ln(ours / theirs), after smoothing."""
    counts, pool = np.array([[59.5, 39.5]]), np.array([[49.5, 49.5]])
    expected = 0.1 * np.log(0.6 / 0.5) - 0.1 * np.log(0.4 / 0.5)
    assert population_stability(counts, pool, np.array([0])) == pytest.approx(expected)
