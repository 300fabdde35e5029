"""The loop that kills bulk scoring: it sees what is lost, and a killed command goes on."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from load.kills import Moments, Tally, Trial, Victim, _at, _finished, _judge, prepare, torment
from score.merge import rejects_of
from score.store import SUFFIX

ROWS = 10


def _write(path: Path, rows: list[int], rejected: list[int], probability: float = 0.5) -> Path:
    table = pa.table({"row": rows, "probability": [probability] * len(rows)})
    pq.write_table(table, path)
    lines = ["row,reason,record", *(f"{row},bad,{{}}" for row in rejected)]
    Path(rejects_of(str(path))).write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    ("rows", "rejected", "probability", "wrong"),
    [
        ([1, 2, 3, 4, 5, 6, 7, 8, 9], [10], 0.5, 0),
        ([1, 2, 3, 4, 5, 6, 7, 8], [10], 0.5, 2),
        ([1, 2, 3, 4, 5, 6, 7, 8, 8], [10], 0.5, 2),
        ([1, 2, 3, 4, 5, 6, 7, 8, 9], [9, 10], 0.5, 2),
        ([1, 2, 3, 4, 5, 6, 7, 8, 9], [10], 0.4, 1),
    ],
)
def test_what_is_lost_doubled_or_other_is_seen(
    tmp_path: Path, rows: list[int], rejected: list[int], probability: float, wrong: int
) -> None:
    """A missing row, one that stands twice, and another score are faults; the file is put away."""
    expected = _write(tmp_path / "expected.parquet", list(range(1, 10)), [10])
    output = _write(tmp_path / "scores.parquet", rows, rejected, probability)
    tally = Tally()
    _judge(Trial(tmp_path, ROWS, expected, (), 1.0), output, tally)
    assert (tally.files, len(tally.wrong)) == (1, wrong)
    assert not output.exists()


def test_what_a_run_is_at(tmp_path: Path) -> None:
    """Its folder shows it, beside what the run before had left there."""
    output = tmp_path / "scores.parquet"
    folder = Path(f"{output}{SUFFIX}")
    assert _finished(output) == set()
    folder.mkdir()
    for name, at in (
        ("manifest.json", "starting"),
        ("piece-00000000.arrow.unfinished", "starting"),
        ("piece-00000000.arrow", "scoring"),
        ("scores.rejects.csv.unfinished", "putting together"),
    ):
        (folder / name).touch()
        assert _at(set(), _finished(output)) == at
    assert _at(_finished(output), _finished(output)) == "starting"


@pytest.mark.usefixtures("registered")
def test_a_killed_command_goes_on(tmp_path: Path) -> None:
    """Killed once, wherever it was, it ends with every row, as if it had been left alone."""
    trial = next(prepare(tmp_path, 2000, ("-j", "2")))
    moments = Moments(random.Random(1))  # noqa: S311 - it only picks a moment
    tally = torment([trial], tmp_path / "scores.parquet", 1, Victim.COMMAND, moments)
    assert tally.wrong == []
    assert tally.kills.total() == 1
    assert tally.runs >= 1
