"""Prediction log: what it keeps, that it never delays a request, what survives a kill."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx
import pandas as pd
import pytest
from prometheus_client import REGISTRY
from pydantic import ValidationError

from data.flights import Flights
from model.inference.bundle import Bundle
from model.inference.predictor import Predictor
from serving import metrics
from serving.api.application import Application
from serving.contract.schema import EXAMPLE_FLIGHT, EXAMPLE_STATE
from serving.prediction_log import log as log_module
from serving.prediction_log.log import PredictionLog
from serving.prediction_log.record import Answered, Record, digests, records
from serving.prediction_log.sinks import ParquetSink, SqlSink, StdoutSink, open_sink
from serving.settings import Settings, check_sink
from tests.support.runtime import make_runtime, not_reached
from tests.support.server import PROJECT, running_server

MODEL = "flight_delay:test"


class Memory:
    """Sink that keeps batches in memory, after an action of the test."""

    rows = 100
    seconds = 0.05

    def __init__(self, before: Callable[[], object] = lambda: None) -> None:
        self.kept: list[Record] = []
        self._before = before

    def write(self, batch: Sequence[Record]) -> None:
        """Run the action, then keep the batch."""
        self._before()
        self.kept += batch


@pytest.fixture(scope="module")
def flights(frame: pd.DataFrame) -> Flights:
    """Return a thousand flights."""
    return Flights.from_columns(frame.iloc[::50].iloc[:1000])


@pytest.fixture
def short_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the pauses between retries and the wait at the end."""
    monkeypatch.setattr(log_module, "FIRST_RETRY_SECONDS", 0.01)
    monkeypatch.setattr(log_module, "LONGEST_RETRY_SECONDS", 0.01)
    monkeypatch.setattr(log_module, "CLOSE_SECONDS", 0.5)


def _ask(log: PredictionLog, flights: Flights, each: int = 1) -> None:
    """Log flights, `each` per request, with a probability of .25."""
    for start in range(0, len(flights), each):
        part = flights.slice(start, start + each)
        log.put(part, [0.25] * len(part), ((b"x-request-id", b"r%d" % start),))


def _wait(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert condition()


def _count(name: str, **labels: str) -> float:
    metrics.buffer.flush()
    return REGISTRY.get_sample_value(f"flight_delay_predictions_{name}_total", labels) or 0.0


def test_keeps_every_prediction_in_order(bundle: Bundle, flights: Flights) -> None:
    """Each prediction is kept once, in order, with an id of its own."""
    sink = Memory()
    log = PredictionLog(sink, bundle.predictor, MODEL, capacity=5000)
    before = _count("logged")
    _ask(log, flights, each=77)
    log.close()
    assert [record.airline for record in sink.kept] == list(flights.airline)
    assert [record.position for record in sink.kept[:78]] == [*range(77), 0]
    assert sink.kept[77].request_id == "r77"
    assert len({record.id for record in sink.kept}) == len(flights)
    assert _count("logged") - before == len(flights)


def test_blocked_sink_never_blocks_a_request(
    bundle: Bundle, flights: Flights, short_retries: None
) -> None:
    """While the sink blocks, `put` does not, and predictions beyond the buffer are counted."""
    release = threading.Event()
    sink = Memory(before=release.wait)
    log = PredictionLog(sink, bundle.predictor, MODEL, capacity=200)
    before = _count("dropped", reason="full")
    for _ in range(5):
        _ask(log, flights)  # would not return
    dropped = _count("dropped", reason="full") - before
    # what is not dropped waits in the buffer or in the batch that is being written
    assert 5 * len(flights) - dropped <= 200 + Memory.rows + log_module.CHUNK
    release.set()
    log.close()
    assert len(sink.kept) == 5 * len(flights) - dropped


def test_failing_writes_are_retried_then_dropped(
    bundle: Bundle, flights: Flights, short_retries: None
) -> None:
    """A batch that fails every time is dropped and counted, and later ones are kept."""
    failures = iter(range(log_module.ATTEMPTS))

    def fail() -> None:
        if next(failures, None) is not None:
            raise OSError(28, "No space left on device")

    sink = Memory(before=fail)
    log = PredictionLog(sink, bundle.predictor, MODEL, capacity=5000)
    before = _count("dropped", reason="sink")
    _ask(log, flights.slice(0, 10))
    _wait(lambda: _count("dropped", reason="sink") - before == 10)
    _ask(log, flights.slice(10, 30))
    log.close()
    assert [record.request_id for record in sink.kept] == [f"r{n}" for n in range(20)]


def test_a_prediction_without_record_affects_no_other(bundle: Bundle, flights: Flights) -> None:
    """A flight whose record cannot be made is counted, and later ones are kept."""
    sink = Memory()
    log = PredictionLog(sink, bundle.predictor, MODEL, capacity=5000)
    before = _count("dropped", reason="unreadable")
    first = flights.slice(0, 1)
    log.put(Flights(["LAN"], ["1"], ["SCFA"], ["N"], first.departure * 1000), [0.1], ())
    _ask(log, first)
    log.close()
    assert _count("dropped", reason="unreadable") - before == 1
    assert len(sink.kept) == 1


@pytest.mark.parametrize("fault", ["blocks", "fails"])
def test_requests_are_answered_while_the_sink_is_down(
    bundle: Bundle, fault: str, short_retries: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every request gets 200 while the sink blocks or fails."""
    release = threading.Event()

    def block_or_fail() -> None:
        if fault == "blocks":
            release.wait()
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(log_module, "open_sink", lambda *_: Memory(before=block_or_fail))
    settings = Settings(prediction_log="stdout", prediction_buffer=20)
    runtime = make_runtime(bundle, settings, tag=MODEL)
    application = Application(not_reached, lambda: runtime, settings)
    body = {"flights": [EXAMPLE_FLIGHT], "airport_state": EXAMPLE_STATE}

    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=application)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return [await client.post("/predict_delay", json=body) for _ in range(300)]

    answers = asyncio.run(ask())
    release.set()
    runtime.close()
    assert {answer.status_code for answer in answers} == {200}


def test_stdout_writes_whole_json_lines(bundle: Bundle, flights: Flights) -> None:
    """Each prediction is one line of JSON, and no write is longer than a pipe takes at once."""
    made = _records(bundle.predictor, flights.slice(0, 60))
    reader, writer = os.pipe()
    StdoutSink(writer).write(made)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        lines = [json.loads(line) for line in pipe]
    assert [line["id"] for line in lines] == [record.id for record in made]
    assert lines[3]["scheduled_departure"] == made[3].scheduled_departure.isoformat()
    assert lines[3]["probability"] == made[3].probability


def test_parquet_keeps_columns_and_types(bundle: Bundle, flights: Flights, tmp_path: Path) -> None:
    """A Parquet file gives back the records, times in UTC and departures in local time."""
    made = _records(bundle.predictor, flights)
    stale = tmp_path / ".predictions-left-behind.parquet"
    stale.write_bytes(b"half a file")
    os.utime(stale, (0, 0))
    ParquetSink(tmp_path, 1.0).write(made)
    (path,) = tmp_path.iterdir()
    table = pd.read_parquet(path)
    assert list(table.columns) == list(Record._fields)
    assert table["scheduled_departure"].tolist() == [r.scheduled_departure for r in made]
    assert table["time"].dt.tz is not None
    assert table["probability"].tolist() == [r.probability for r in made]


def test_sqlite_keeps_every_row(bundle: Bundle, flights: Flights, tmp_path: Path) -> None:
    """SQLite gives back every row."""
    _check_sql(f"sqlite:///{tmp_path / 'log.db'}", _records(bundle.predictor, flights))


def test_postgresql_keeps_every_row(postgresql: str, bundle: Bundle, flights: Flights) -> None:
    """A real PostgreSQL gives back every row."""
    _check_sql(postgresql, _records(bundle.predictor, flights))


def _check_sql(address: str, made: list[Record]) -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy")
    sink = SqlSink(address)
    sink.write(made[:400])
    sink.write(made[400:])
    engine = sqlalchemy.create_engine(address)
    with engine.connect() as connection:
        query = "select id, airline, probability, scheduled_departure from predictions"
        rows = {row[0]: row for row in connection.execute(sqlalchemy.text(query))}
    engine.dispose()
    sink.close()
    assert len(rows) == len(made)
    for record in made[::97]:
        assert rows[record.id][1:3] == (record.airline, record.probability)
        assert str(rows[record.id][3])[:19] == str(record.scheduled_departure)


def test_digest_follows_the_features(bundle: Bundle, flights: Flights) -> None:
    """The digest is the same alone and in a batch, and changes with the features."""
    some = flights.slice(0, 50)
    together = digests(bundle.predictor, some)
    alone = [digests(bundle.predictor, some.slice(n, n + 1))[0] for n in range(50)]
    assert together == alone
    later = Flights(
        some.airline, some.flight_number, some.destination, some.flight_type, some.departure + 360
    )
    changed = digests(bundle.predictor, later)
    assert all(a != b for a, b in zip(together, changed, strict=True))


@pytest.mark.parametrize("setting", ["parquet", "sql:", "files:/x", "", "stdout:x"])
def test_unknown_sink_is_refused_at_start(setting: str) -> None:
    """A misspelt setting is refused with the list of sinks."""
    with pytest.raises(ValidationError, match="off, stdout, parquet:<folder> or sql:"):
        Settings(prediction_log=setting)


def test_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a sink's library is not installed, the error says which group brings it."""
    monkeypatch.setattr("serving.settings.find_spec", lambda _name: None)
    with pytest.raises(ValueError, match="needs SQLAlchemy: install the dependency group `watch`"):
        check_sink("sql:sqlite:///x.db")


def test_off_costs_no_thread_and_no_library(bundle: Bundle) -> None:
    """The log is off by default, and serving then imports neither pyarrow nor SQLAlchemy."""
    assert open_sink("off", 1.0) is None
    assert PredictionLog.of(Settings(), bundle.predictor, MODEL) is None
    code = (
        "import sys, serving.models.loaded, serving.api.application;"
        "print({'pyarrow', 'sqlalchemy', 'pandas', 'sklearn'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "set()"


WRITER = """
import sys
from pathlib import Path
from data.flights import Flights
from model.inference.bundle import Bundle
from serving.prediction_log.log import PredictionLog
from serving.prediction_log.sinks import ParquetSink
import numpy as np

sink = ParquetSink(Path(sys.argv[2]), 0.1)
sink.rows = 300
log = PredictionLog(sink, Bundle.read(Path(sys.argv[1])).predictor, "m", capacity=500)
asked = 0
while True:
    before = log._put
    log.put(Flights(["LAN"], [str(asked)], ["SCFA"], ["N"], np.array([24990000])), [0.5], ())
    if log._put > before:
        asked += 1
        print(asked, flush=True)
"""


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_kill_loses_only_what_was_buffered(bundle: Bundle, tmp_path: Path, seed: int) -> None:
    """A process killed at a random moment leaves complete files and loses at most its buffers."""
    model, kept = tmp_path / "model", tmp_path / "log"
    model.mkdir()
    bundle.write(model)
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(model), str(kept)], cwd=PROJECT, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    count = random.Random(seed).randrange(1_000, 5_000)  # noqa: S311 - no secret
    printed = [process.stdout.readline() for _ in range(count)]
    process.kill()
    put = int(b"".join([*printed, process.stdout.read()]).split(b"\n")[-2])
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()
    tables = [pd.read_parquet(path) for path in kept.glob("*.parquet")]
    found = pd.concat(tables) if tables else pd.DataFrame({"flight_number": []})
    numbers = sorted(found["flight_number"].astype(int))
    assert numbers == list(range(len(numbers)))
    assert put - len(numbers) <= 500 + 300 + log_module.CHUNK + 1


@pytest.mark.server
def test_service_logs_and_says_so(registered: str, tmp_path: Path) -> None:
    """A real service logs each answer with its request id, and the last ones when it stops."""
    kept = tmp_path / "kept"
    with running_server(
        tmp_path / "log",
        FLIGHT_DELAY_PREDICTION_LOG=f"parquet:{kept}",
        FLIGHT_DELAY_PREDICTION_SECONDS="5",
    ) as server:
        for number in range(5):
            httpx.post(
                f"{server.url}/predict_delay",
                json={"flights": [EXAMPLE_FLIGHT] * 3},
                headers={"x-request-id": f"mine-{number}"},
            ).raise_for_status()
            # the first file takes long on a busy machine, longer than a stopping service waits
            _wait(lambda: bool(list(kept.glob("*.parquet"))))
    table = pd.concat(pd.read_parquet(path) for path in kept.glob("*.parquet"))
    assert sorted(table["request_id"]) == sorted(f"mine-{n}" for n in range(5) for _ in range(3))
    assert table["model"].unique().tolist() == [registered]


def _records(predictor: Predictor, flights: Flights) -> list[Record]:
    answered = Answered(time.time(), flights, predictor.score(flights).tolist(), ())
    made = records([answered], predictor, MODEL)
    return [record._replace(id=str(n)) for n, record in enumerate(made)]
