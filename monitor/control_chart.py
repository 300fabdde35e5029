"""Control charts over weeks whose limits come from permuted reference weeks.

Every statistic is measured in standard deviations of the reference's own weeks. All statistics of a
family share one limit: the quantile of the largest of them over weeks that were held out of the
reference at random. The stated rate is therefore that of a false alarm of the whole family, however
many features there are, and it includes the variation between weeks (holidays, strikes, season).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.flights import FloatMatrix, IntArray
from model.inference.calibration import FloatArray
from monitor import MonitorError
from monitor.weekly_flights import OUTCOMES, UNSEEN, WeekTable

QUIET_WEEKS = 26
"""Accepted rate: one false alarm of a family in this number of weeks, on average."""
SPLITS = 500
"""Random splits of the reference that a limit is computed from."""
REFERENCE_SHARE = 0.6
MINIMUM_WEEKS = 8
"""Fewest reference weeks for a limit."""

FLOORS = {"js": 0.01, "unseen": 0.002, "outcome": 1e-6}
"""Smallest standard deviations: without them, one flight of a new airline would be infinitely far
from a reference that never had one."""

DRIFT, QUALITY = "inputs and scores", "outcomes"

SMOOTHING = 0.5
"""Flights added to every bin for PSI, which is not defined for empty bins."""

Limits = dict[str, float]


@dataclass(frozen=True)
class Family:
    """Statistics that share one limit.

    Attributes
    ----------
    names, centre, scale
        Name, mean and standard deviation of each statistic over the reference, shape ``(k,)``.
    value, z
        Statistics of each week, shape ``(weeks, k)``; `z` in standard deviations, oriented so that
        high is bad.
    limit
        A week whose largest `z` exceeds it is an alarm.
    """

    names: tuple[str, ...]
    value: FloatMatrix
    z: FloatMatrix
    centre: FloatArray
    scale: FloatArray
    limit: float

    @property
    def alarm(self) -> FloatArray:
        """Return the largest `z` of each week where it exceeds the limit, else 0."""
        largest = _largest(self.z)
        return np.where(largest > self.limit, largest, 0.0)

    def worst(self, week: int) -> int:
        """Return the position of the statistic with the largest `z` in a week."""
        return int(np.argmax(np.nan_to_num(self.z[week], nan=-np.inf)))


def chart(reference: WeekTable, weeks: WeekTable, limits: Limits) -> dict[str, Family]:
    """Compute both families of statistics of some weeks, with the reference's limits."""
    return {name: _family(reference, weeks, name, limits[name]) for name in (DRIFT, QUALITY)}


def limits_of(reference: WeekTable, splits: int = SPLITS, seed: int = 0) -> Limits:
    """Return the limit of each family, from weeks held out of the reference at random.

    Raises
    ------
    MonitorError
        If there are too few reference weeks.
    """
    weeks, random = len(reference.week), np.random.default_rng(seed)
    if weeks < MINIMUM_WEEKS:
        message = (
            f"the model was trained on too short a time: {weeks} whole weeks can be scored by "
            f"earlier models, and limits need {MINIMUM_WEEKS}. They begin after three months"
        )
        raise MonitorError(message)
    kept = round(REFERENCE_SHARE * weeks)
    largest: dict[str, list[FloatArray]] = {DRIFT: [], QUALITY: []}
    for _ in range(splits):
        order = random.permutation(np.arange(weeks))
        inner, held_out = reference.pick(order[:kept]), reference.pick(order[kept:])
        for name, found in largest.items():
            found.append(_largest(_family(inner, held_out, name, np.inf).z))
    rate = 1 - 1 / QUIET_WEEKS
    return {name: float(np.nanquantile(np.concatenate(z), rate)) for name, z in largest.items()}


def _family(reference: WeekTable, weeks: WeekTable, name: str, limit: float) -> Family:
    pool = reference.counts.sum(axis=0, keepdims=True)
    # a reference week is compared with the other reference weeks only
    own = _values(reference, pool - reference.counts, name)
    value, centre = _values(weeks, pool, name), own.mean(axis=0)
    names, sign, floor = _statistics(reference, name)
    # the centre is an estimate too
    scale = np.maximum(own.std(axis=0, ddof=1), floor) * np.sqrt(1 + 1 / len(own))
    z = (value - centre) / scale
    if name == DRIFT:
        z[:, : len(reference.names)][:, reference.aging] = np.nan
    z = np.where(sign == 0, np.abs(z), sign * z)
    return Family(names, value, z, centre, scale, limit)


def _statistics(table: WeekTable, name: str) -> tuple[tuple[str, ...], IntArray, FloatArray]:
    """Return name, bad direction (1 high, -1 low, 0 both) and floor of each statistic."""
    if name == QUALITY:
        return OUTCOMES, np.array([0, 0, 1, -1]), np.full(len(OUTCOMES), FLOORS["outcome"])
    names = (*table.names, *UNSEEN)
    floor = np.where(np.arange(len(names)) < len(table.names), FLOORS["js"], FLOORS["unseen"])
    return names, np.ones(len(names), dtype=np.int64), floor


def _values(table: WeekTable, pool: FloatMatrix, name: str) -> FloatMatrix:
    if name == QUALITY:
        return table.outcomes
    distance = jensen_shannon(table.counts, pool, table.starts)
    return np.concatenate([distance, table.unseen], axis=1)


def _largest(z: FloatMatrix) -> FloatArray:
    """Return the largest statistic of each week; NaN where none is known."""
    filled = np.where(np.isnan(z), -np.inf, z).max(axis=1)
    return np.where(np.isinf(filled), np.nan, filled)


def jensen_shannon(counts: FloatMatrix, pool: FloatMatrix, starts: IntArray) -> FloatMatrix:
    """Return the Jensen-Shannon distance of each week from the reference, per feature.

    Parameters
    ----------
    counts, pool
        Flights per bin, shape ``(weeks, bins)``; `pool` may have one row.
    starts
        First bin of each feature.

    Returns
    -------
    Square root of the divergence in bits, from 0 to 1, shape ``(weeks, features)``.

    References
    ----------
    Lin, "Divergence measures based on the Shannon entropy", IEEE Trans. Inf. Theory 37, 1991.
    """
    ours, theirs = _shares(counts, starts), _shares(pool, starts)
    middle = (ours + theirs) / 2
    divergence = (_relative_entropy(ours, middle) + _relative_entropy(theirs, middle)) / 2
    summed = np.add.reduceat(divergence, starts, axis=1)
    distance: FloatMatrix = np.sqrt(np.clip(summed, 0.0, 1.0))
    return distance


def population_stability(counts: FloatMatrix, pool: FloatMatrix, starts: IntArray) -> FloatMatrix:
    """Return the population stability index of each week, per feature, ``(weeks, features)``.

    It is the symmetrised Kullback-Leibler divergence in nats of counts smoothed by `SMOOTHING`.
    """
    ours, theirs = (_shares(each + SMOOTHING, starts) for each in (counts, pool))
    summed: FloatMatrix = np.add.reduceat((ours - theirs) * np.log(ours / theirs), starts, axis=1)
    return summed


def _shares(counts: FloatMatrix, starts: IntArray) -> FloatMatrix:
    sizes = np.diff([*starts, counts.shape[1]])
    total = np.repeat(np.add.reduceat(counts, starts, axis=1), sizes, axis=1)
    shares: FloatMatrix = counts / np.maximum(total, 1e-12)
    return shares


def _relative_entropy(share: FloatMatrix, middle: FloatMatrix) -> FloatMatrix:
    ratio = np.where(share > 0, share, 1.0) / np.where(share > 0, middle, 1.0)
    entropy: FloatMatrix = share * np.log2(ratio)
    return entropy
