"""Join predictions with the outcomes of their flights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

KEY = ["airline", "flight_number", "destination", "scheduled_departure"]
"""Columns that identify a flight in predictions and departures."""
OUTCOME = ["actual_departure", "delay_minutes", "delayed"]


@dataclass(frozen=True)
class Counts:
    """Number of logged predictions, each counted once, by result of the join.

    Attributes
    ----------
    matched, waiting, unmatched
        With an outcome; scheduled after the last known outcome; scheduled before it without a
        recorded departure (cancelled, or a wrong request). Their sum is `predictions`.
    ambiguous
        Matched predictions with several recorded departures; the first of them counts.
    repeated
        Rows that a sink wrote twice, left out before counting.
    not_predicted
        Departures in the time span of the matched predictions without a prediction.
    """

    predictions: int
    matched: int
    waiting: int
    unmatched: int
    ambiguous: int
    repeated: int
    not_predicted: int


def join(
    predictions: pd.DataFrame, flights: pd.DataFrame, repeated: int = 0
) -> tuple[pd.DataFrame, Counts]:
    """Add the outcome to each prediction, and count the results.

    Parameters
    ----------
    predictions
        As `monitor.log.read_log` returns them.
    flights
        Typed frame of departures, as `data.load.load_flights` returns it.

    Returns
    -------
    The predictions in order, with the columns of `OUTCOME` and the position `row` in `flights`
    (missing without an outcome), and the counts.
    """
    numbered = flights[KEY + OUTCOME].assign(row=np.arange(len(flights)))
    ordered = numbered.sort_values([*KEY, "actual_departure"])
    several = ordered.duplicated(KEY, keep=False)
    first = ordered.assign(ambiguous=several).drop_duplicates(KEY)
    joined = predictions.merge(first, on=KEY, how="left", validate="many_to_one")
    matched = joined["delayed"].notna()
    later = joined["scheduled_departure"] > flights["scheduled_departure"].max()
    asked = joined[matched]
    span = asked["scheduled_departure"].min(), asked["scheduled_departure"].max()
    departed = int(first["scheduled_departure"].between(*span).sum())
    counts = Counts(
        predictions=len(joined),
        matched=int(matched.sum()),
        waiting=int((~matched & later).sum()),
        unmatched=int((~matched & ~later).sum()),
        ambiguous=int(joined["ambiguous"].eq(True).sum()),
        repeated=repeated,
        not_predicted=departed - len(asked[KEY].drop_duplicates()),
    )
    return joined.drop(columns="ambiguous"), counts


def latest_per_flight(predictions: pd.DataFrame) -> pd.DataFrame:
    """Keep the last prediction of each flight, so that every flight counts once."""
    return predictions.drop_duplicates(KEY, keep="last")
