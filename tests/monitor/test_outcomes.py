"""Logs of every sink are read and joined with outcomes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from monitor import MonitorError
from monitor.__main__ import app
from monitor.log import read_log
from monitor.outcomes import KEY, join, latest_per_flight
from serving.prediction_log.record import Record
from serving.prediction_log.sinks import ParquetSink, SqlSink, StdoutSink


@pytest.fixture(scope="module")
def logged(frame: pd.DataFrame) -> list[Record]:
    """Return 203 logged predictions: 200 flights, one twice, one cancelled, one in the future."""
    flights = frame.drop_duplicates(KEY, keep=False).iloc[1000:1200]
    known = list(flights[[*KEY, "flight_type"]].itertuples(index=False, name=None))
    cancelled = ("LAN", "99999", "SCFA", known[10][3], "N")
    to_come = ("LAN", "120", "SCFA", frame["scheduled_departure"].max() + pd.Timedelta(days=3), "N")
    rows = [*known, known[5], cancelled, to_come]
    return [
        Record(
            f"id-{n}",
            datetime(2017, 1, 1, 0, n // 60, n % 60, tzinfo=UTC),
            "flight_delay:test",
            None,
            0,
            row[0],
            row[1],
            row[2],
            row[4],
            row[3].to_pydatetime(),
            False,
            0.125 + n / 1000,
            "0" * 16,
        )
        for n, row in enumerate(rows)
    ]


@pytest.fixture(params=["parquet", "sql", "json"])
def address(request: pytest.FixtureRequest, logged: list[Record], tmp_path: Path) -> str:
    """Return the address of that log for each sink; ten rows are written twice."""
    kind = request.param
    batches = (logged[:100], logged[100:], logged[90:100])
    if kind == "json":
        path = tmp_path / "lines"
        with path.open("wb") as file:
            file.write(b'{"message": "something else"}\nnot JSON\n')
            file.flush()
            for batch in batches:
                StdoutSink(file.fileno()).write(batch)
            file.write(b'{"message": "prediction", "cut of')
        return f"json:{path}"
    where = str(tmp_path) if kind == "parquet" else f"sqlite:///{tmp_path / 'log.db'}"
    sink = ParquetSink(tmp_path, 1.0) if kind == "parquet" else SqlSink(where)
    for batch in batches:
        sink.write(batch)
    if isinstance(sink, SqlSink):
        sink.close()
    return f"{kind}:{where}"


def test_every_sink_is_read_back_the_same(address: str, logged: list[Record]) -> None:
    """Each logged row is read once, with its types, and repeats are counted."""
    table, repeated = read_log(address)
    assert repeated == 10
    assert table["id"].tolist() == [record.id for record in logged]
    assert table["probability"].tolist() == [record.probability for record in logged]
    departures = table["scheduled_departure"].dt.to_pydatetime().tolist()
    assert departures == [record.scheduled_departure for record in logged]
    assert table["with_airport"].dtype == bool


def test_joined_rows_are_counted(logged: list[Record], frame: pd.DataFrame) -> None:
    """Every prediction is matched, waiting or unmatched, exactly once."""
    table = pd.DataFrame(logged, columns=list(Record._fields))
    joined, counts = join(table, frame)
    assert len(joined) == counts.predictions == 203
    assert (counts.matched, counts.waiting, counts.unmatched) == (201, 1, 1)
    matched = joined[joined["delayed"].notna()]
    truth = frame.iloc[matched["row"].astype(int)]
    assert truth["delayed"].tolist() == matched["delayed"].tolist()
    assert truth[KEY].to_numpy().tolist() == matched[KEY].to_numpy().tolist()
    assert counts.not_predicted >= 0


def test_ambiguous_departures_do_not_multiply_rows(
    logged: list[Record], frame: pd.DataFrame
) -> None:
    """The first of two recorded departures counts, and the flight is counted as ambiguous."""
    table = pd.DataFrame(logged, columns=list(Record._fields)).iloc[:20]
    first = frame.merge(table[KEY].iloc[[3]], on=KEY)
    again = first.assign(
        actual_departure=first["actual_departure"] + pd.Timedelta(hours=5), delayed=True
    )
    joined, counts = join(table, pd.concat([again, frame], ignore_index=True))
    assert len(joined) == 20
    assert counts.ambiguous == 1
    assert joined["actual_departure"].iloc[3] == first["actual_departure"].iloc[0]


def test_latest_prediction_of_a_flight_counts(logged: list[Record]) -> None:
    """A flight with two predictions is judged once, by the later one."""
    kept = latest_per_flight(pd.DataFrame(logged, columns=list(Record._fields)))
    assert len(kept) == 202
    assert "id-5" not in set(kept["id"])
    assert "id-200" in set(kept["id"])


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ("files:/x", "is no log"),
        ("parquet:/nowhere", "no Parquet file"),
        ("json:/nowhere", "cannot be read"),
        ("sql:sqlite:////nowhere/x.db", "the database cannot be read"),
    ],
)
def test_missing_log_is_explained(bad: str, words: str) -> None:
    """A missing log gives a message without a traceback."""
    with pytest.raises(MonitorError, match=words):
        read_log(bad)


def test_command_writes_whole_file(
    logged: list[Record], frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`python -m monitor outcomes` writes one row per prediction; a bad log gives exit code 2."""
    lines = [json.dumps({"message": "prediction", **r._asdict()}, default=str) for r in logged]
    (tmp_path / "lines").write_text("\n".join(lines))
    monkeypatch.setattr(
        "monitor.__main__.load_flights", lambda *_, **__: type("D", (), {"frame": frame})
    )
    arguments = ["outcomes", "--flights", "x", "-o", str(tmp_path / "joined.csv"), "--log"]
    done = CliRunner().invoke(app, [*arguments, f"json:{tmp_path / 'lines'}"])
    assert done.exit_code == 0, done.output
    assert len(pd.read_csv(tmp_path / "joined.csv")) == 203
    assert CliRunner().invoke(app, [*arguments, "json:/nowhere"]).exit_code == 2
