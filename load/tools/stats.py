"""Compute the statistics that all measurements use."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

PERCENTILES = {"p50": 50.0, "p75": 75.0, "p90": 90.0, "p99": 99.0, "p999": 99.9}


def percentiles(values: FloatArray | Sequence[float]) -> dict[str, float]:
    """Return percentiles (nearest rank, so each is a measured value), maximum and mean."""
    array = np.asarray(values, dtype=np.float64)
    if not len(array):
        return {}
    found = np.percentile(array, list(PERCENTILES.values()), method="inverted_cdf")
    named = dict(zip(PERCENTILES, map(float, found), strict=True))
    return {**named, "max": float(array.max()), "mean": float(array.mean())}


def summary(values: Sequence[float]) -> dict[str, Any]:
    """Return median and range of the rounds of a measurement, and the rounds themselves."""
    return {
        "median": median(values),
        "low": min(values),
        "high": max(values),
        "rounds": list(values),
    }


def by_second(at: FloatArray, latency_ms: FloatArray) -> list[dict[str, float]]:
    """Return count and percentiles of the latency of each second.

    Parameters
    ----------
    at
        Seconds since the start, shape ``(n,)``.
    latency_ms
        Shape ``(n,)``.
    """
    seconds = at.astype(np.int64)
    rows = []
    for second in np.unique(seconds):
        values = latency_ms[seconds == second]
        rows.append({"second": int(second), "answers": len(values), **percentiles(values)})
    return rows
