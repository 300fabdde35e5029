"""Tests that no output overwrites the input, and that a failed write leaves no files."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import fsspec
import pandas as pd
import pytest
from typer.testing import CliRunner

from model.inference.bundle import Bundle
from score.__main__ import EXIT_CANNOT, EXIT_REJECTED, app
from score.engines import ThreadEngine
from score.errors import InputError, OutputError
from score.run import ScoringJob, Shard, run

TAG = "flight_delay:test"
LARGEST_KB = 1 << 14


@pytest.fixture
def content(raw: pd.DataFrame) -> bytes:
    """Return a CSV of some flights, one of them from another airport."""
    lines = raw.head(200).to_csv(index=False)
    return lines.replace("SCEL", "SCFA", 1).encode()


def score(source: str, output: str, bundle: Bundle, shard: Shard | None = None) -> None:
    """Run a job."""
    job = ScoringJob(source, output, TAG, shard or Shard())
    run(job, nullcontext(ThreadEngine(bundle.predictor, 1)))


def same(folder: Path) -> dict[str, bytes]:
    """Return the content of every file of a folder, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("x.csv", "x.csv"),
        ("x.csv", "{folder}/x.csv"),
        ("{folder}/x.csv", "../{name}/./x.csv"),
        ("file://{folder}/x.csv", "x.csv"),
        ("simplecache::file://{folder}/x.csv", "x.csv"),
        ("x.csv", "symbolic.csv"),
        ("symbolic.csv", "x.csv"),
        ("symbolic.csv", "symbolic.csv"),
        ("x.csv", "hard.csv"),
        ("x.csv", "linked/x.csv"),
        ("y.rejects.csv", "y.parquet"),
        ("x.csv", "z.parquet"),
        ("p.csv.pieces/in.csv", "p.csv"),
    ],
)
def test_an_output_that_would_overwrite_the_input_raises(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    bundle: Bundle,
    content: bytes,
    source: str,
    output: str,
) -> None:
    """Output, rejects and pieces are compared with the input by inode, through links too."""
    folder = tmp_path / "in"
    (folder / "p.csv.pieces").mkdir(parents=True)
    for name in ("x.csv", "y.rejects.csv", "p.csv.pieces/in.csv"):
        (folder / name).write_bytes(content)
    (folder / "symbolic.csv").symlink_to("x.csv")
    (folder / "z.rejects.csv").symlink_to("x.csv")
    (folder / "hard.csv").hardlink_to(folder / "x.csv")
    (folder / "linked").symlink_to(folder)
    monkeypatch.chdir(folder)
    before = sorted(tmp_path.rglob("*"))
    source, output = (each.format(folder=folder, name=folder.name) for each in (source, output))
    with pytest.raises(OutputError, match=r"would overwrite the input: choose another output\.$"):
        score(source, output, bundle)
    assert sorted(tmp_path.rglob("*")) == before
    for name in ("x.csv", "y.rejects.csv", "p.csv.pieces/in.csv"):
        assert (folder / name).read_bytes() == content


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("memory://own/x.csv", "memory://own/x.csv"),
        ("memory://own/x.csv", "memory:///own//x.csv"),
        ("memory://own/x.csv", "memory://own/other/../x.csv"),
        ("simplecache::memory://own/x.csv", "memory://own/x.csv"),
        ("memory://own/x.rejects.csv", "memory://own/x.csv.gz"),
        ("memory://own/o.csv.pieces/x.csv", "memory://own/o.csv"),
    ],
)
def test_an_object_is_not_overwritten_under_another_spelling(
    bundle: Bundle, content: bytes, source: str, output: str
) -> None:
    """URLs of a bucket are normalised before they are compared."""
    bucket = fsspec.filesystem("memory")
    inner = source.rpartition("::")[2]
    bucket.pipe_file(inner, content)
    try:
        with pytest.raises(OutputError, match="would overwrite the input"):
            score(source, output, bundle)
        assert bucket.find("/own") == [bucket._strip_protocol(inner)]
        assert bucket.cat_file(inner) == content
    finally:
        bucket.rm("/own", recursive=True)


def test_a_task_does_not_overwrite_the_input_with_its_own_output(
    tmp_path: Path, bundle: Bundle, content: bytes
) -> None:
    """The name of the task's output, not the given one, is compared."""
    source = tmp_path / "out-00001-of-00002.csv"
    source.write_bytes(content)
    with pytest.raises(OutputError, match="would overwrite the input"):
        score(str(source), str(tmp_path / "out.csv"), bundle, Shard(1, 2))
    assert same(tmp_path) == {source.name: content}


def test_the_command_prints_one_line(
    tmp_path: Path, registered: str, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Its exit code is 2."""
    source = tmp_path / "x.csv"
    source.write_bytes(content)
    caplog.set_level(logging.ERROR, "score")
    command = [str(source), "-o", str(source), "--model", registered]
    assert CliRunner().invoke(app, command).exit_code == EXIT_CANNOT
    assert caplog.messages == [f"{source}: would overwrite the input: choose another output."]
    assert same(tmp_path) == {"x.csv": content}


@pytest.mark.parametrize("name", ["o.csv", "o.rejects.csv"])
def test_an_output_that_is_a_folder_raises(
    tmp_path: Path, bundle: Bundle, content: bytes, name: str
) -> None:
    """It raises before anything is scored, and the folder is unchanged."""
    source = tmp_path / "x.csv"
    source.write_bytes(content)
    (tmp_path / name).mkdir()
    with pytest.raises(OutputError, match=f"{name}: is a folder: name a file in it"):
        score(str(source), str(tmp_path / "o.csv"), bundle)
    assert {path.name for path in tmp_path.iterdir()} == {"x.csv", name}


@pytest.mark.usefixtures("small_pieces")
def test_a_truncated_input_leaves_no_folder(
    tmp_path: Path, raw: pd.DataFrame, bundle: Bundle
) -> None:
    """Pieces of the truncated input cannot be reused for a corrected one."""
    source = tmp_path / "x.csv.gz"
    raw.to_csv(source, index=False)
    source.write_bytes(source.read_bytes()[:-100])
    with pytest.raises(InputError, match="truncated or damaged"):
        score(str(source), str(tmp_path / "o.csv"), bundle)
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv.gz"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system in memory without free space."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() or not _mounted("-t", "tmpfs", "-o", "size=4k", "tmpfs", str(folder)):
        pytest.skip("needs root to mount a small file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)  # noqa: S607 - of the system


def _mounted(*options: str) -> bool:
    done = subprocess.run(["mount", *options], check=False, capture_output=True)  # noqa: S607
    return done.returncode == 0


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet"])
def test_a_full_disk_is_reported_in_one_line(
    small_disk: Path,
    tmp_path: Path,
    raw: pd.DataFrame,
    bundle: Bundle,
    ending: str,
) -> None:
    """The disk grows until the run succeeds; earlier runs print one line and leave no file."""
    source = tmp_path / "x.csv"
    raw.head(2_500).to_csv(source, index=False)
    kilobytes, failures = 4, []
    while True:
        try:
            score(str(source), str(small_disk / f"o.{ending}"), bundle)
            break
        except OutputError as failure:
            failures.append(str(failure))
        assert failures[-1].endswith("cannot be written (No space left on device).")
        assert "\n" not in failures[-1]
        assert list(small_disk.iterdir()) == []
        kilobytes += max(8, kilobytes // 4)
        assert kilobytes < LARGEST_KB
        assert _mounted("-o", f"remount,size={kilobytes}k", str(small_disk))
    assert len(failures) > 3
    assert [path.name for path in small_disk.iterdir()] == [f"o.{ending}"]


def test_the_command_on_a_full_disk_prints_no_traceback(
    small_disk: Path, tmp_path: Path, registered: str, content: bytes
) -> None:
    """The last line names the fault; the same command succeeds once there is space."""
    source = tmp_path / "x.csv"
    source.write_bytes(content)
    command = [sys.executable, "-m", "score", str(source), "-o", str(small_disk / "o.csv")]
    done = subprocess.run(
        [*command, "--model", registered], check=False, capture_output=True, text=True
    )
    assert done.returncode == EXIT_CANNOT, done.stderr
    assert done.stderr.endswith("o.csv: cannot be written (No space left on device).\n")
    assert "Traceback" not in done.stderr
    assert list(small_disk.iterdir()) == []
    assert _mounted("-o", f"remount,size={LARGEST_KB}k", str(small_disk))
    done = subprocess.run(
        [*command, "--model", registered], check=False, capture_output=True, text=True
    )
    assert done.returncode == EXIT_REJECTED, done.stderr
