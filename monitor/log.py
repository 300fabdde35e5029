"""Read the prediction log of any sink."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from monitor import MonitorError
from serving.prediction_log.record import Record
from serving.settings import PARQUET, SQL

JSON = "json"
COLUMNS = list(Record._fields)


def read_log(address: str) -> tuple[pd.DataFrame, int]:
    """Read all logged predictions in order of time.

    Parameters
    ----------
    address
        ``parquet:<folder>`` or ``sql:<SQLAlchemy URL>`` as in the service's setting, or
        ``json:<file>`` with lines of its standard output; other lines are skipped.

    Returns
    -------
    One row per prediction with the fields of `Record`, and the number of repeated rows, which
    a sink writes when it tries again.

    Raises
    ------
    MonitorError
        If the log is missing or empty.
    """
    kind, _, where = address.partition(":")
    readers = {PARQUET: _read_parquet, SQL: _read_sql, JSON: _read_json}
    if kind not in readers or not where:
        message = f"{address!r} is no log: use parquet:<folder>, sql:<URL> or json:<file>"
        raise MonitorError(message)
    table = readers[kind](where)
    missing = [name for name in COLUMNS if name not in table.columns]
    if table.empty or missing:
        message = f"{address} holds no predictions" + (f": {missing} missing" if missing else "")
        raise MonitorError(message)
    typed = table.assign(
        time=pd.to_datetime(table["time"], utc=True, format="ISO8601"),
        scheduled_departure=pd.to_datetime(table["scheduled_departure"], format="ISO8601"),
        with_airport=table["with_airport"].astype(bool),
    )
    unique = typed.drop_duplicates("id")
    return unique.sort_values(["time", "id"], ignore_index=True)[COLUMNS], len(typed) - len(unique)


def _read_parquet(where: str) -> pd.DataFrame:
    # the name of an incomplete file begins with a dot
    files = sorted(Path(where).glob("[!.]*.parquet"))
    if not files:
        message = f"no Parquet file in {where}"
        raise MonitorError(message)
    return pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)


def _read_sql(where: str) -> pd.DataFrame:
    import sqlalchemy  # noqa: PLC0415 - optional dependency

    from serving.prediction_log.table import predictions  # noqa: PLC0415

    engine = sqlalchemy.create_engine(where)
    try:
        with engine.connect() as connection:
            return pd.read_sql(sqlalchemy.select(predictions), connection)
    except sqlalchemy.exc.SQLAlchemyError as error:
        message = f"the database cannot be read: {str(error).splitlines()[0]}"
        raise MonitorError(message) from error
    finally:
        engine.dispose()


def _read_json(where: str) -> pd.DataFrame:
    try:
        text = Path(where).read_text(encoding="utf-8")
    except OSError as error:
        message = f"{where} cannot be read: {error.strerror}"
        raise MonitorError(message) from error
    entries = map(_entry, text.splitlines())
    return pd.DataFrame([entry for entry in entries if entry.get("message") == "prediction"])


def _entry(line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:  # other output, or a line that a killed process left incomplete
        return {}
    return entry if isinstance(entry, dict) else {}
