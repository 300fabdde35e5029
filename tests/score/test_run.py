"""Tests that a run scores or rejects every row, for all inputs and outputs."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path

import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner

from model.inference.bundle import Bundle
from score.__main__ import EXIT_CANNOT, EXIT_REJECTED, app
from score.engines import ThreadEngine
from score.errors import InputError, OutputError
from score.merge import Totals
from score.pieces import Piece
from score.run import ScoringJob, Shard, run
from score.store import Store

pytestmark = pytest.mark.usefixtures("small_pieces")

PROJECT = Path(__file__).parents[2]
TAG = "flight_delay:test"
WHOLE = Shard()
PIECES = 4
"""Rows per piece of the source below: a piece has three blocks of 20,000 bytes."""


class StoppedError(Exception):
    """Error that simulates a power failure."""


class StoppingEngine(ThreadEngine):
    """Engine that raises after some pieces, and counts the pieces that it gets."""

    def __init__(self, bundle: Bundle, after: int = 1000) -> None:
        super().__init__(bundle.predictor, threads=2)
        self.after, self.seen = after, 0

    def run(self, pieces: Iterable[Piece]) -> Iterator[tuple[Piece, bytes]]:
        """Score pieces until the limit."""
        for done in super().run(pieces):
            self.seen += 1
            yield done
            if self.seen >= self.after:
                raise StoppedError


@pytest.fixture
def source(raw: pd.DataFrame, tmp_path: Path) -> Path:
    """Return a gzip-compressed CSV file with three invalid rows."""
    lines = raw.to_csv(index=False).splitlines()
    lines[101] = "too,short"
    lines[2001] = lines[2001].replace("SCEL", "SCFA")
    lines[4001] = lines[4001].replace("-", "/")
    path = tmp_path / "flights.csv.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    return path


def score(
    source: Path | str,
    output: Path | str,
    engine: ThreadEngine,
    model: str = TAG,
    shard: Shard = WHOLE,
) -> Totals:
    """Run a job."""
    return run(ScoringJob(str(source), str(output), model, shard), nullcontext(engine))


def rejected_rows(path: Path) -> list[int]:
    """Return the row numbers in a rejects file."""
    with path.open() as lines:
        return [int(line["row"]) for line in csv.DictReader(lines)]


def test_every_row_is_scored_or_rejected(source: Path, tmp_path: Path, bundle: Bundle) -> None:
    """Scored and rejected rows together are the input's rows; no other files are left."""
    totals = score(source, tmp_path / "out.parquet", StoppingEngine(bundle))
    table = pq.read_table(tmp_path / "out.parquet")
    assert totals == Totals(5000, 4997, 3)
    assert rejected_rows(tmp_path / "out.rejects.csv") == [101, 2001, 4001]
    assert table["row"].to_pylist() == sorted({*range(1, 5001)} - {101, 2001, 4001})
    assert table.schema.metadata[b"model"] == TAG.encode()
    assert {path.name for path in tmp_path.iterdir()} == {
        "flights.csv.gz",
        "out.parquet",
        "out.rejects.csv",
    }


def test_all_formats_have_the_same_scores(source: Path, tmp_path: Path, bundle: Bundle) -> None:
    """Parquet, CSV and gzip-compressed CSV have the same scores, to the last digit."""
    for name in ("out.parquet", "out.csv", "out.csv.gz"):
        score(source, tmp_path / name, StoppingEngine(bundle))
    table = pq.read_table(tmp_path / "out.parquet")
    types = arrow_csv.ConvertOptions(column_types=table.schema, strings_can_be_null=True)
    for name in ("out.csv", "out.csv.gz"):
        again = arrow_csv.read_csv(tmp_path / name, convert_options=types)
        for column in ("row", "probability", "delayed", "risk", "scheduled_departure"):
            assert again[column].equals(table[column]), (name, column)


def test_a_stopped_run_is_resumed(source: Path, tmp_path: Path, bundle: Bundle) -> None:
    """Finished pieces are not scored again, and the result equals that of one run."""
    whole, broken = tmp_path / "whole.parquet", tmp_path / "broken.parquet"
    score(source, whole, StoppingEngine(bundle))
    first, second = StoppingEngine(bundle, after=2), StoppingEngine(bundle)
    with pytest.raises(StoppedError):
        score(source, broken, first)
    assert not broken.exists()
    score(source, broken, second)
    assert (first.seen, second.seen) == (2, PIECES - 2)
    assert pq.read_table(whole).equals(pq.read_table(broken))


@pytest.mark.parametrize("change", ["input", "model"])
def test_pieces_of_another_input_or_model_are_deleted(
    source: Path, tmp_path: Path, bundle: Bundle, change: str
) -> None:
    """A new input or model starts from the beginning, so that results are never mixed."""
    with pytest.raises(StoppedError):
        score(source, tmp_path / "out.csv", StoppingEngine(bundle, after=2))
    if change == "input":
        source.write_bytes(source.read_bytes())
    engine = StoppingEngine(bundle)
    score(source, tmp_path / "out.csv", engine, model=f"flight_delay:{change}")
    assert engine.seen == PIECES


def test_shards_together_are_the_whole(source: Path, tmp_path: Path, bundle: Bundle) -> None:
    """Tasks that share an input score every row once, each into its own file."""
    totals = [
        score(source, tmp_path / "out.parquet", StoppingEngine(bundle), shard=Shard(index, 3))
        for index in range(3)
    ]
    files = sorted(tmp_path.glob("out-0000?-of-00003.parquet"))
    rows = [row for path in files for row in pq.read_table(path)["row"].to_pylist()]
    rejected = [row for path in tmp_path.glob("*.rejects.csv") for row in rejected_rows(path)]
    assert sum(each.rows for each in totals) == 5000
    assert sorted(rows + rejected) == list(range(1, 5001))


def test_buckets_are_read_and_written(source: Path, bundle: Bundle) -> None:
    """Input and output may be URLs of any file system of fsspec."""
    bucket = fsspec.filesystem("memory")
    bucket.pipe_file("/in/flights.csv.gz", source.read_bytes())
    totals = score("memory://in/flights.csv.gz", "memory://out/s.parquet", StoppingEngine(bundle))
    assert totals == Totals(5000, 4997, 3)
    assert pq.read_table(bucket.open("/out/s.parquet")).num_rows == 4997
    assert sorted(bucket.find("/out")) == ["/out/s.parquet", "/out/s.rejects.csv"]
    bucket.rm("/out", recursive=True)


def test_a_stopped_run_in_a_bucket_is_resumed(source: Path, bundle: Bundle) -> None:
    """Finished pieces are in the bucket, and an unfinished output is never visible."""
    bucket = fsspec.filesystem("memory")
    with pytest.raises(StoppedError):
        score(source, "memory://again/s.csv", StoppingEngine(bundle, after=2))
    assert not bucket.exists("/again/s.csv")
    engine = StoppingEngine(bundle)
    assert score(source, "memory://again/s.csv", engine).rows == 5000
    assert engine.seen == PIECES - 2
    bucket.rm("/again", recursive=True)


def test_two_runs_do_not_share_an_output(source: Path, tmp_path: Path, bundle: Bundle) -> None:
    """The second run raises and changes nothing."""
    output = tmp_path / "out.csv"
    with Store(str(output)).lock(), pytest.raises(OutputError, match="another run"):
        score(source, output, StoppingEngine(bundle))


def test_a_run_without_rejects_removes_the_old_rejects_file(
    source: Path, raw: pd.DataFrame, tmp_path: Path, bundle: Bundle
) -> None:
    """There is no rejects file if no row is rejected."""
    score(source, tmp_path / "out.csv", StoppingEngine(bundle))
    pq.write_table(pa.Table.from_pandas(raw), tmp_path / "clean.parquet")
    totals = score(tmp_path / "clean.parquet", tmp_path / "out.csv", StoppingEngine(bundle))
    assert totals.rejected == 0
    assert not (tmp_path / "out.rejects.csv").exists()


@pytest.mark.parametrize("rows", ["", "x\nx\n"])
def test_an_input_without_valid_rows_gives_an_empty_output(
    tmp_path: Path, bundle: Bundle, rows: str
) -> None:
    """A header alone, or only invalid rows, gives the output's columns and no rows."""
    source = tmp_path / "in.csv"
    source.write_text("airline,flight_number,destination,scheduled_departure\n" + rows)
    totals = score(source, tmp_path / "out.parquet", StoppingEngine(bundle))
    assert (totals.scored, totals.rejected) == (0, rows.count("x"))
    assert pq.read_table(tmp_path / "out.parquet").num_rows == 0


def test_an_index_beyond_the_last_task_raises() -> None:
    """Indexes of tasks start at 0."""
    with pytest.raises(InputError, match="no task 3 of 3"):
        Shard.of(3, 3)


def test_exit_codes(source: Path, raw: pd.DataFrame, tmp_path: Path, registered: str) -> None:
    """The code is 0 if all rows were scored, 1 if some were rejected, 2 if the file is invalid."""
    clean = tmp_path / "clean.csv"
    raw.head(50).to_csv(clean, index=False)
    for path, output, code in (
        (clean, "o.csv", 0),
        (source, "o.parquet", EXIT_REJECTED),
        (clean, "o.xlsx", EXIT_CANNOT),
        (tmp_path / "nowhere.csv", "o.csv", EXIT_CANNOT),
    ):
        command = [str(path), "-o", str(tmp_path / output), "--model", registered]
        assert CliRunner().invoke(app, command).exit_code == code, path


def test_the_command_prints_the_rejects_file(
    source: Path, tmp_path: Path, registered: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It also prints the first rejected row with its reason."""
    with caplog.at_level("INFO", "score"):
        command = [str(source), "-o", str(tmp_path / "o.csv"), "--model", registered]
        CliRunner().invoke(app, command)
    said = "\n".join(caplog.messages)
    assert f"5,000 rows: 4,997 scored by {registered}, 3 rejected" in said
    assert f"scores:  {tmp_path / 'o.csv'}" in said
    assert f"rejects: {tmp_path / 'o.rejects.csv'}" in said
    assert "the first: row 101, " in said


def test_an_input_that_cannot_be_read_leaves_no_folder(
    source: Path, tmp_path: Path, bundle: Bundle
) -> None:
    """The folder is only kept if a run can be resumed from it."""
    bad = tmp_path / "bad.csv"
    bad.write_text("flight_number,destination\n1,SCFA\n")
    with pytest.raises(InputError, match="columns are missing: airline"):
        score(bad, tmp_path / "o.csv", StoppingEngine(bundle))
    assert not (tmp_path / "o.csv.pieces").exists()
    with pytest.raises(StoppedError):
        score(source, tmp_path / "p.csv", StoppingEngine(bundle, after=2))
    assert len(list((tmp_path / "p.csv.pieces").glob("piece-*"))) == 2


@pytest.mark.parametrize(
    ("failure", "code"), [(RuntimeError("unforeseen"), EXIT_CANNOT), (KeyboardInterrupt(), 130)]
)
def test_no_failure_looks_like_rejected_rows(
    source: Path,
    tmp_path: Path,
    registered: str,
    monkeypatch: pytest.MonkeyPatch,
    failure: BaseException,
    code: int,
) -> None:
    """An unexpected failure and Ctrl-C have other exit codes than rejected rows."""

    def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr(Store, "write", fail)
    command = [str(source), "-o", str(tmp_path / "o.csv"), "--model", registered]
    assert CliRunner().invoke(app, command).exit_code == code
    assert [path.name for path in tmp_path.iterdir()] == ["flights.csv.gz"]


def test_tasks_of_cloud_run_find_their_shard(source: Path, tmp_path: Path, registered: str) -> None:
    """Index and count come from the environment variables of a Cloud Run job."""
    environment = {"CLOUD_RUN_TASK_INDEX": "1", "CLOUD_RUN_TASK_COUNT": "2"}
    command = [str(source), "-o", str(tmp_path / "o.csv"), "--model", registered]
    CliRunner().invoke(app, command, env=environment)
    assert (tmp_path / "o-00001-of-00002.csv").exists()


def test_the_jobs_tasks_share_an_input_in_a_bucket(source: Path, registered: str) -> None:
    """The command of deploy/job.yaml, run once per task, scores the whole input."""
    bucket = fsspec.filesystem("memory")
    bucket.pipe_file("/job/in.csv.gz", source.read_bytes())
    text = (PROJECT / "deploy" / "job.yaml").read_text()
    for name, value in {
        "INPUT": "memory://job/in.csv.gz",
        "OUTPUT": "memory://job/out.parquet",
        "MODEL": registered,
        "TASKS": "2",
    }.items():
        text = text.replace(f"${{{name}}}", value)
    execution = yaml.safe_load(text)["spec"]["template"]["spec"]
    (container,) = execution["template"]["spec"]["containers"]
    assert container["command"] == ["python", "-m", "score"]
    tasks = execution["taskCount"]
    for index in range(tasks):
        environment = {"CLOUD_RUN_TASK_INDEX": str(index), "CLOUD_RUN_TASK_COUNT": str(tasks)}
        done = CliRunner().invoke(app, container["args"], env=environment)
        assert done.exit_code == 0
    files = bucket.glob("/job/out-*.parquet")
    assert sum(pq.read_table(bucket.open(path)).num_rows for path in files) == 4997
    bucket.rm("/job", recursive=True)
