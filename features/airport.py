"""Features of the airport's current state: recent departures and how late they left."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from data.flights import AIRPORT_HOURS, Flights, IntArray, Outcomes
from features.transformer import FloatMatrix, Stateless

SHORTEST_DELAY, LONGEST_DELAY = -15.0, 120.0
"""Minutes at which a single flight's delay is cut before the mean is taken."""


class AirportNow(Stateless):
    """Transformer that writes departures, late share and mean delay of the last hours.

    The caller of the service sends them (`Flights.airport`). They are missing (NaN) where the
    airport's state is not given.
    """

    key: ClassVar[str] = "airport_now"
    names: ClassVar[tuple[str, ...]] = tuple(
        f"{what}_last_{hours}h"
        for hours in AIRPORT_HOURS
        for what in ("departures", "late_share", "mean_delay")
    )
    monotone: ClassVar[tuple[str, ...]] = tuple(
        name for name in names if not name.startswith("departures")
    )

    def write(self, flights: Flights, out: FloatMatrix) -> None:
        """Write the twelve columns; see `Transformer.write`."""
        if flights.airport is None:
            out[:] = np.nan
            return
        out[:] = flights.airport
        out[:, 2::3] = np.clip(out[:, 2::3], SHORTEST_DELAY, LONGEST_DELAY)


def airport_states(outcomes: Outcomes, at: IntArray) -> FloatMatrix:
    """Return the state of the airport at given times, as a caller would have sent it.

    Parameters
    ----------
    outcomes
        All departures; each counts from its actual departure on.
    at
        Minutes as in `Flights.departure`, shape ``(n,)``.

    Returns
    -------
    Shape ``(n, 12)``, columns as in `AirportNow.names`. Late share and mean delay are missing
    where nothing left.
    """
    order = np.argsort(outcomes.departure, kind="stable")
    left = outcomes.departure[order]
    delay = np.clip(outcomes.delay_minutes[order], SHORTEST_DELAY, LONGEST_DELAY)
    late = np.concatenate([[0.0], np.cumsum(outcomes.delayed[order])])
    minutes = np.concatenate([[0.0], np.cumsum(delay)])
    stop = np.searchsorted(left, at, side="right")
    columns = []
    for hours in AIRPORT_HOURS:
        start = np.searchsorted(left, at - 60 * hours, side="right")
        count = (stop - start).astype(float)
        some = np.where(count > 0, count, np.nan)
        shares = (late[stop] - late[start]) / some
        columns += [count, shares, (minutes[stop] - minutes[start]) / some]
    return np.column_stack(columns)
