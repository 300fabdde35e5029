"""Tests that scores of a file equal those of the service, and that no row is lost."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from data.flights import Flights
from model.inference.bundle import Bundle
from model.inference.decision import RISK_NAMES
from score.pieces import Malformed, Rows
from score.scoring import REJECT_COLUMNS, SCHEMA, Scored, score_rows


@pytest.fixture(scope="module")
def flights(schedule: pd.DataFrame) -> pd.DataFrame:
    """Return flights, some with codes unknown to training, and some without a type."""
    odd = schedule.copy()
    odd.loc[::50, "airline"] = "ZZZ"
    odd.loc[::70, "destination"] = "ZZZZ"
    odd.loc[::3, "flight_type"] = None
    return odd


def test_scores_equal_the_predictors(flights: pd.DataFrame, bundle: Bundle) -> None:
    """Probability, decision, risk and unknown fields equal the service's prediction."""
    table = pa.Table.from_pandas(flights, preserve_index=False)
    found = score_rows(Rows(1, len(flights), table), bundle.predictor).table
    expected = bundle.predictor.predict(Flights.from_columns(flights))
    assert found.schema.equals(SCHEMA)
    assert np.abs(found["probability"].to_numpy() - expected.probability).max() < 1e-12
    assert found["delayed"].to_pylist() == expected.delayed.tolist()
    assert found["risk"].to_pylist() == [RISK_NAMES[band] for band in expected.band]
    assert found["unknown"].to_pylist() == [",".join(names) for names in expected.unknown]
    assert found["row"].to_pylist() == list(range(1, len(flights) + 1))
    times = found["scheduled_departure"].to_pandas().to_numpy()
    assert np.array_equal(times, flights["scheduled_departure"].to_numpy())


def test_rejected_rows_have_number_reason_and_record(flights: pd.DataFrame, bundle: Bundle) -> None:
    """Rejected rows are in the order of the input, and the other rows are scored."""
    few = flights.head(4).assign(airline=["LAN", "nope", "", "LAN"])
    table = pa.Table.from_pandas(few, preserve_index=False)
    malformed = (Malformed(12, 'a;\n"b', "1 columns instead of 4"),)
    scored = score_rows(Rows(10, 5, table, malformed), bundle.predictor)
    rejects = list(csv.DictReader(io.StringIO(scored.rejects.decode()), REJECT_COLUMNS))
    assert scored.table["row"].to_pylist() == [10, 14]
    assert [each["row"] for each in rejects] == ["11", "12", "13"]
    assert json.loads(rejects[0]["record"])["airline"] == "nope"
    assert rejects[1]["record"] == 'a;\n"b'
    assert rejects[2]["reason"] == "airline: missing"
    assert scored.rows == scored.table.num_rows + scored.rejected


@pytest.mark.parametrize("rows", [0, 1, 7])
def test_a_piece_is_read_back_from_its_file(
    flights: pd.DataFrame, bundle: Bundle, rows: int
) -> None:
    """Scores and rejects are read back unchanged, for any number of rows."""
    few = flights.head(rows).assign(airline=["x", *["LAN"] * 6][:rows])
    table = pa.Table.from_pandas(few, preserve_index=False)
    scored = score_rows(Rows(1, rows, table), bundle.predictor)
    again = Scored.from_bytes(scored.to_bytes())
    assert again.table.equals(scored.table)
    assert (again.rows, again.rejected, again.rejects) == (
        scored.rows,
        scored.rejected,
        scored.rejects,
    )
