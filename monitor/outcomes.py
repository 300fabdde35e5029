"""Joins predictions with what really happened."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

KEY = ["airline", "flight_number", "destination", "scheduled_departure"]
"""What a prediction and a departure know each other by: all of the schedule but the type."""
OUTCOME = ["actual_departure", "delay_minutes", "delayed"]


@dataclass(frozen=True, slots=True)
class Counts:
    """Where every logged prediction went: `predictions` is the sum of the next three.

    Attributes
    ----------
    predictions
        Logged, each counted once.
    matched
        With an outcome.
    waiting
        Scheduled after the last flight whose outcome is known.
    unmatched
        Scheduled before it, but no such departure is recorded: cancelled, or asked about wrongly.
    ambiguous
        Of the matched, those with several recorded departures; the first of them counts.
    repeated
        Rows that a sink wrote twice, left out before counting.
    not_predicted
        Departures in the time of the matched predictions that nobody asked about.
    """

    predictions: int
    matched: int
    waiting: int
    unmatched: int
    ambiguous: int
    repeated: int
    not_predicted: int

    def to_json(self) -> dict[str, int]:
        """Plain JSON values."""
        return asdict(self)


def join(
    predictions: pd.DataFrame, flights: pd.DataFrame, repeated: int = 0
) -> tuple[pd.DataFrame, Counts]:
    """Give each prediction its outcome, and count what has none.

    Parameters
    ----------
    predictions
        As `monitor.log.read_log` returns them.
    flights
        Typed frame of departures, as `data.load.load_flights` returns it.

    Returns
    -------
    The predictions, row for row, with the columns of `OUTCOME` and the flight's position `row` in
    `flights` (missing where there is none), and the counts.
    """
    numbered = flights[KEY + OUTCOME].assign(row=np.arange(len(flights)))
    departed = numbered.sort_values([*KEY, "actual_departure"])
    several = departed.duplicated(KEY, keep=False)
    first = departed.assign(ambiguous=several).drop_duplicates(KEY)
    joined = predictions.merge(first, on=KEY, how="left", validate="many_to_one")
    matched = joined["delayed"].notna()
    later = joined["scheduled_departure"] > flights["scheduled_departure"].max()
    counts = Counts(
        predictions=len(joined),
        matched=int(matched.sum()),
        waiting=int((~matched & later).sum()),
        unmatched=int((~matched & ~later).sum()),
        ambiguous=int(joined["ambiguous"].eq(True).sum()),
        repeated=repeated,
        not_predicted=_not_predicted(joined[matched], first),
    )
    return joined.drop(columns="ambiguous"), counts


def latest_per_flight(predictions: pd.DataFrame) -> pd.DataFrame:
    """Keep the last prediction of each flight; those asked about often would weigh more."""
    return predictions.drop_duplicates(KEY, keep="last")


def _not_predicted(matched: pd.DataFrame, departed: pd.DataFrame) -> int:
    if matched.empty:
        return 0
    time = departed["scheduled_departure"]
    within = time.between(
        matched["scheduled_departure"].min(), matched["scheduled_departure"].max()
    )
    return int(within.sum()) - len(matched[KEY].drop_duplicates())
