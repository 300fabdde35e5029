"""Check the order of the sources and their description."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import fsspec
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from data import load
from data.download import DATASET_SHA256, PUBLISHED_ORIGIN
from data.errors import (
    DataError,
    EmptySourceError,
    InvalidRowsError,
    MissingColumnsError,
    SourceNotFoundError,
    SourceUnreachableError,
    TruncatedSourceError,
)
from data.frame import data_hash
from data.load import Dataset, load_flights
from data.sample import generate_flights

ROWS = 200
RAW = generate_flights().sample(ROWS, random_state=0)
CSV = RAW.to_csv(index=False).encode()


class Calls:
    """Replacement of the download that counts its calls and returns a file or fails."""

    def __init__(self, content: bytes | None) -> None:
        self.content = content
        self.count = 0

    def __call__(self) -> bytes:
        """Return the file, or fail as the download does without a network."""
        self.count += 1
        if self.content is None:
            message = "No public copy could be downloaded."
            raise SourceUnreachableError(message)
        return self.content


@pytest.fixture(autouse=True)
def download(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Calls:
    """Start every test without a source, a placed file or a network, and with a short sample."""
    calls = Calls(None)
    monkeypatch.delenv("SCL_DATASET", raising=False)
    monkeypatch.setattr(load, "DATA_FOLDER", tmp_path / "data")
    monkeypatch.setattr(load, "download_published", calls)
    monkeypatch.setattr(load, "generate_flights", lambda seed=0: RAW.iloc[seed:])
    (tmp_path / "data").mkdir()
    return calls


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give a CSV file of a few flights."""
    path = tmp_path / "flights.csv"
    path.write_bytes(CSV)
    return path


def test_a_path_that_is_named_is_read(path: Path) -> None:
    """The data set has its source, its flights and its hash."""
    dataset = load_flights(str(path))
    assert len(dataset.frame) == ROWS
    assert dataset.origin == "the file flights.csv"
    assert not dataset.is_sample
    assert dataset.dropped == 0
    assert dataset.sha256 == hashlib.sha256(CSV).hexdigest()


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(CSV),
        b"\xef\xbb\xbf" + CSV,
        CSV.decode().encode("latin-1"),
        RAW.sample(frac=1, axis="columns", random_state=1).to_csv(index=False).encode(),
    ],
    ids=["gzip", "byte order mark", "latin-1", "shuffled columns"],
)
def test_every_encoding_and_compression_gives_the_same_frame(path: Path, content: bytes) -> None:
    """Encoding, compression and order of columns do not change the frame."""
    expected = load_flights(str(path)).frame
    path.write_bytes(content)
    assert_frame_equal(load_flights(str(path)).frame, expected)


def test_parquet_is_read_like_csv(path: Path, tmp_path: Path) -> None:
    """A Parquet file with dates and numbers of its own types gives the same frame."""
    dates = {name: pd.to_datetime(RAW[name]) for name in ("Fecha-I", "Fecha-O")}
    typed = RAW.assign(**dates, **{"Vlo-O": RAW["Vlo-O"].astype("float64")})
    typed.to_parquet(tmp_path / "flights.parquet", index=False)
    dataset = load_flights(str(tmp_path / "flights.parquet"))
    assert_frame_equal(dataset.frame, load_flights(str(path)).frame)


def test_a_bucket_is_read() -> None:
    """An address of fsspec is loaded; the test uses memory."""
    with fsspec.open("memory://bucket/flights.csv.gz", "wb") as stream:
        stream.write(gzip.compress(CSV))
    dataset = load_flights("memory://bucket/flights.csv.gz")
    assert dataset.origin == "memory://bucket/flights.csv.gz"
    assert len(dataset.frame) == ROWS


def test_compression_does_not_change_the_hash(path: Path, tmp_path: Path) -> None:
    """The hash is of the decompressed table."""
    packed = tmp_path / "flights.csv.gz"
    packed.write_bytes(gzip.compress(CSV))
    assert load_flights(str(packed)).sha256 == load_flights(str(path)).sha256


def test_the_argument_comes_first(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The argument overrides the environment variable."""
    monkeypatch.setenv("SCL_DATASET", "/nowhere/flights.csv")
    assert load_flights(str(path)).origin == "the file flights.csv"


def test_then_the_environment(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`SCL_DATASET` overrides a file placed in the data folder."""
    (load.DATA_FOLDER / "dataset_SCL.csv").write_bytes(b"not looked at")
    monkeypatch.setenv("SCL_DATASET", str(path))
    assert load_flights().origin == "the file flights.csv, named by SCL_DATASET"


@pytest.mark.parametrize("name", ["dataset_SCL.csv", "dataset_SCL.csv.gz", "dataset_SCL.parquet"])
def test_then_a_file_placed_in_the_data_folder(name: str, download: Calls) -> None:
    """A placed file is read under any of its three names; nothing is downloaded."""
    (load.DATA_FOLDER / name).write_bytes(gzip.compress(CSV))
    assert load_flights().origin == f"the file {name} in the data folder"
    assert download.count == 0


def test_then_the_public_copies(download: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    """The published file is downloaded, also if the variable is empty."""
    monkeypatch.setenv("SCL_DATASET", "")
    download.content = CSV
    dataset = load_flights()
    assert dataset.origin == PUBLISHED_ORIGIN
    assert not dataset.is_sample
    assert dataset.sha256 == hashlib.sha256(CSV).hexdigest()


def test_last_the_sample_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """Without any source the sample is used, and the log and the origin say so."""
    dataset = load_flights(seed=3)
    assert dataset.is_sample
    assert dataset.origin == "the embedded sample of generated flights, seed 3: not real ones"
    assert dataset.sha256 == data_hash(dataset.frame)
    assert len(dataset.frame) == ROWS - 3
    assert any(text.startswith("These are not real flights") for text in caplog.messages)


def test_the_sample_may_be_selected(path: Path, download: Calls) -> None:
    """The source `sample` is the embedded sample, whatever else is available."""
    download.content = CSV
    assert load_flights("sample").is_sample
    assert download.count == 0


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("/nowhere/flights.csv", SourceNotFoundError),
        ("http://127.0.0.1:1/flights.csv", SourceUnreachableError),
        ("memory://bucket/nothing.csv", SourceNotFoundError),
    ],
)
@pytest.mark.parametrize("by", ["argument", "environment"])
def test_a_named_source_that_fails_is_an_error(
    source: str,
    error: type[DataError],
    by: str,
    download: Calls,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A named source is not replaced by another one."""
    download.content = CSV
    monkeypatch.setenv("SCL_DATASET", source)
    with pytest.raises(error):
        load_flights(source if by == "argument" else None)
    assert download.count == 0


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", EmptySourceError),
        (gzip.compress(CSV)[:-100], TruncatedSourceError),
        (RAW.drop(columns="Des-I").to_csv(index=False).encode(), MissingColumnsError),
    ],
    ids=["empty", "cut short", "a column short"],
)
def test_a_placed_file_that_is_bad_is_an_error(content: bytes, error: type[DataError]) -> None:
    """A placed file that is invalid is an error and is not skipped."""
    (load.DATA_FOLDER / "dataset_SCL.csv").write_bytes(content)
    with pytest.raises(error):
        load_flights()


def test_bad_rows_are_refused_or_dropped_and_counted(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file with bad rows is refused, or read without them and the count reported."""
    bad = RAW.copy()
    bad["Fecha-O"] = ["2016-01-01 00:00:00"] * 7 + bad["Fecha-O"].tolist()[7:]
    path.write_bytes(bad.to_csv(index=False).encode())
    with pytest.raises(InvalidRowsError, match="7 of 200 rows"):
        load_flights(str(path))
    dataset = load_flights(str(path), drop_invalid=True)
    assert (len(dataset.frame), dataset.dropped) == (ROWS - 7, 7)
    assert "7 of 200 rows are not valid flights: left out." in caplog.messages


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("/home/someone/flights.csv", "the file flights.csv"),
        ("gs://bucket/2017/flights.csv", "gs://bucket/2017/flights.csv"),
        (
            "https://user:secret@example.org/flights.csv?signature=secret",
            "https://example.org/flights.csv",
        ),
    ],
)
def test_the_origin_leaves_out_folders_and_secrets(source: str, shown: str) -> None:
    """Folders, passwords and signatures are not in the published origin."""
    assert load._shown(source) == shown


@pytest.mark.real_data
@pytest.mark.usefixtures("real_data")
def test_the_real_flights_are_the_published_ones(dataset: Dataset) -> None:
    """The public data set has its known size, late share, hash and one doubled key."""
    frame = dataset.frame
    assert len(frame) == 68_206
    assert frame["delayed"].mean() == pytest.approx(0.18494, abs=5e-6)
    assert dataset.sha256 == DATASET_SHA256
    key = ["airline", "flight_number", "destination", "scheduled_departure"]
    assert frame.duplicated(key).sum() == 1
    assert frame["operated_flight_number"].isna().sum() == 1
