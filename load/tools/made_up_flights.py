"""Generate any number of flights in a Parquet file, from the embedded sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from data.sample import generate_flights
from data.schema import ENGLISH, SCHEDULE_COLUMNS

ROW_GROUP = 100_000
YEARS = range(2010, 2026)


def write_flights(path: Path, count: int, seed: int = 0) -> None:
    """Write generated flights, in random order, in row groups of `ROW_GROUP`.

    The first flights are those of the embedded sample; the others repeat them some weeks later, in
    another order. No answer is cached, so repeated flights cost the same.
    """
    random = np.random.default_rng(seed)
    years = _years(min(count, ROW_GROUP * 10), seed)
    with pq.ParquetWriter(
        path, pa.Table.from_pandas(years[:0], preserve_index=False).schema
    ) as out:
        for start in range(0, count, ROW_GROUP):
            rows = random.integers(0, len(years), min(ROW_GROUP, count - start))
            group = years.iloc[rows]
            weeks = pd.to_timedelta(7 * random.integers(0, 500, len(rows)), unit="D")
            group = group.assign(
                scheduled_departure=group["scheduled_departure"] + weeks.to_numpy()
            )
            out.write_table(pa.Table.from_pandas(group, preserve_index=False, schema=out.schema))


def _years(count: int, seed: int) -> pd.DataFrame:
    """Return at least `count` flights with `SCHEDULE_COLUMNS`, or those of all `YEARS`."""
    drawn: list[pd.DataFrame] = []
    for year in YEARS:
        drawn.append(generate_flights(seed + year, year))
        if sum(map(len, drawn)) >= count:
            break
    frame = pd.concat(drawn).rename(columns=ENGLISH)[list(SCHEDULE_COLUMNS)]
    frame["scheduled_departure"] = pd.to_datetime(frame["scheduled_departure"]).astype(
        "datetime64[s]"
    )
    return frame
