"""Reads the prediction log back, whichever sink wrote it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from monitor.errors import MonitorError
from serving.prediction_log.record import Record
from serving.settings import PARQUET, SQL

JSON = "json"
COLUMNS = list(Record._fields)


def read_log(address: str) -> tuple[pd.DataFrame, int]:
    """Read all logged predictions, in order of their time.

    Parameters
    ----------
    address
        ``parquet:<folder>`` or ``sql:<SQLAlchemy URL>`` as in the service's setting, or
        ``json:<file>`` for kept lines of standard output; lines of others among them are skipped.

    Returns
    -------
    The columns of `serving.prediction_log.record.Record`, one row per prediction, and how many rows
    were left out because a sink had to repeat a write.

    Raises
    ------
    MonitorError
        If there is no such log, or nothing in it.
    """
    kind, _, where = address.partition(":")
    readers = {PARQUET: _read_parquet, SQL: _read_sql, JSON: _read_json}
    if kind not in readers or not where:
        message = f"{address!r} is no log: give parquet:<folder>, sql:<URL> or json:<file>"
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
    # files that are not whole yet are hidden by a dot
    files = sorted(Path(where).glob("[!.]*.parquet"))
    if not files:
        message = f"no Parquet file in {where}"
        raise MonitorError(message)
    return pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)


def _read_sql(where: str) -> pd.DataFrame:
    import sqlalchemy  # noqa: PLC0415 - only where there is a database

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
    lines = (line for line in text.splitlines() if line.startswith("{"))
    found = [said for said in map(_json, lines) if said.get("message") == "prediction"]
    return pd.DataFrame(found)


def _json(line: str) -> dict[str, Any]:
    try:
        said = json.loads(line)
    except ValueError:  # cut in the middle, where the process died
        return {}
    return said if isinstance(said, dict) else {}
