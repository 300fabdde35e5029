"""Compute PSI and Jensen-Shannon distance of a week's flights from the reference."""

from __future__ import annotations

import numpy as np

from data.flights import FloatMatrix, IntArray

SMOOTHING = 0.5
"""Flights added to every bin for PSI, which is not defined for empty bins."""


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
