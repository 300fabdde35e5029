"""Control charts over weeks whose limits come from permuted reference weeks.

Every statistic is measured in standard deviations of the reference's own weeks. All statistics
of a family share one limit: the quantile of the *largest* of them over weeks that were held out
of the reference at random. So the stated rate is that of a false alarm of the whole family, with
however many features, and the weeks' own restlessness (holidays, strikes, the season so far) is
in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.flights import FloatMatrix, IntArray
from model.inference.calibration import FloatArray
from monitor.drift import jensen_shannon
from monitor.errors import MonitorError
from monitor.weekly_flights import OUTCOMES, UNSEEN, WeekTable

QUIET_WEEKS = 26
"""Weeks in which one false alarm of a family is accepted, on average."""
SPLITS = 500
"""Random splits of the reference that a limit is taken from."""
REFERENCE_SHARE = 0.6
MINIMUM_WEEKS = 8
"""Reference weeks below which no limit can be set."""

FLOORS = {"js": 0.01, "unseen": 0.002}
"""Standard deviations below which a statistic is called constant; without them, one flight of a
new airline would be infinitely far from a reference that never had one."""

DRIFT, QUALITY = "inputs and scores", "outcomes"

Limits = dict[str, float]


@dataclass(frozen=True)
class Family:
    """Statistics that share one limit.

    Attributes
    ----------
    names, sign
        Of each statistic: its name, and which way is bad: 1 high, -1 low, 0 both, ``(k,)``.
    value, z
        Of each watched week, shape ``(weeks, k)``; `z` in the reference's standard deviations,
        turned so that high is bad.
    centre, scale
        Mean and standard deviation over the reference's weeks, shape ``(k,)``.
    limit
        A week whose largest `z` exceeds it is an alarm.
    """

    names: tuple[str, ...]
    sign: IntArray
    value: FloatMatrix
    z: FloatMatrix
    centre: FloatArray
    scale: FloatArray
    limit: float

    @property
    def alarm(self) -> FloatArray:
        """Largest `z` of each week where it exceeds the limit, else 0, shape ``(weeks,)``."""
        largest = _largest(self.z)
        return np.where(largest > self.limit, largest, 0.0)


def chart(reference: WeekTable, watched: WeekTable, limits: Limits) -> dict[str, Family]:
    """Both families of statistics of the watched weeks, with the reference's limits."""
    return {name: _family(reference, watched, name, limits[name]) for name in (DRIFT, QUALITY)}


def limits_of(reference: WeekTable, splits: int = SPLITS, seed: int = 0) -> Limits:
    """Limit of each family, from weeks held out of the reference at random.

    Raises
    ------
    MonitorError
        If there are too few reference weeks.
    """
    weeks, random = np.arange(len(reference.week)), np.random.default_rng(seed)
    if len(weeks) < MINIMUM_WEEKS:
        message = (
            f"the model was trained on too short a time: {len(weeks)} whole weeks can be walked "
            f"through, and limits need {MINIMUM_WEEKS}. They begin after three months"
        )
        raise MonitorError(message)
    kept = round(REFERENCE_SHARE * len(weeks))
    largest: dict[str, list[FloatArray]] = {DRIFT: [], QUALITY: []}
    for _ in range(splits):
        order = random.permutation(weeks)
        ours, held_out = pick(reference, order[:kept]), pick(reference, order[kept:])
        for name, found in largest.items():
            found.append(_largest(_standardised(ours, held_out, name)[0]))
    rate = 1 - 1 / QUIET_WEEKS
    return {
        name: float(np.nanquantile(np.concatenate(found), rate)) for name, found in largest.items()
    }


def pick(table: WeekTable, rows: IntArray) -> WeekTable:
    """Some weeks of a table, in the given order."""
    return WeekTable(
        table.week[rows],
        table.counts[rows],
        table.starts,
        table.names,
        table.aging,
        table.unseen[rows],
        table.outcomes[rows],
        table.flights[rows],
        table.known[rows],
    )


def names_of(table: WeekTable, family: str) -> tuple[str, ...]:
    """Statistics of a family, in the order of its columns."""
    return OUTCOMES if family == QUALITY else (*table.names, *UNSEEN)


def _family(reference: WeekTable, watched: WeekTable, name: str, limit: float) -> Family:
    z, centre, scale = _standardised(reference, watched, name)
    pool = reference.counts.sum(axis=0, keepdims=True)
    return Family(
        names_of(reference, name),
        _sign(reference, name),
        _values(watched, pool, name),
        z,
        centre,
        scale,
        limit,
    )


def _standardised(
    reference: WeekTable, watched: WeekTable, family: str
) -> tuple[FloatMatrix, FloatArray, FloatArray]:
    pool = reference.counts.sum(axis=0, keepdims=True)
    # a reference week must not be compared with itself
    own = _values(reference, pool - reference.counts, family)
    value = _values(watched, pool, family)
    centre = own.mean(axis=0)
    scale = np.maximum(own.std(axis=0, ddof=1), _floor(reference, family))
    # the centre is an estimate too
    scale = scale * np.sqrt(1 + 1 / len(own))
    sign = _sign(reference, family)
    z = (value - centre) / scale
    if family == DRIFT:
        z[:, : len(reference.names)][:, reference.aging] = np.nan
    return np.where(sign == 0, np.abs(z), sign * z), centre, scale


def _values(table: WeekTable, pool: FloatMatrix, family: str) -> FloatMatrix:
    if family == QUALITY:
        return table.outcomes
    distance = jensen_shannon(table.counts, pool, table.starts)
    return np.concatenate([distance, table.unseen], axis=1)


def _floor(table: WeekTable, family: str) -> FloatArray:
    if family == QUALITY:
        return np.full(len(OUTCOMES), 1e-6)
    features = np.full(len(table.names), FLOORS["js"])
    return np.concatenate([features, np.full(len(UNSEEN), FLOORS["unseen"])])


def _sign(table: WeekTable, family: str) -> IntArray:
    if family == QUALITY:
        return np.array([0, 0, 1, -1])  # as `OUTCOMES`
    return np.ones(len(table.names) + len(UNSEEN), dtype=np.int64)


def _largest(z: FloatMatrix) -> FloatArray:
    """Largest statistic of each week; NaN where none is known."""
    filled = np.where(np.isnan(z), -np.inf, z).max(axis=1)
    largest: FloatArray = np.where(np.isinf(filled), np.nan, filled)
    return largest
