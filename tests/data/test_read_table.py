"""Check the reading of bytes as a table of text."""

from __future__ import annotations

import gzip
import logging
from io import BytesIO

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from data.errors import EmptySourceError, NotATableError, SourceError, TruncatedSourceError
from data.read_table import read_table

CSV = "Emp-I,Vlo-I,AÑO,SIGLADES\nLAN,226,2017,Concepción\nSKU,989P,2017,\n".encode()
TABLE = pd.DataFrame(
    {
        "Emp-I": ["LAN", "SKU"],
        "Vlo-I": ["226", "989P"],
        "AÑO": ["2017", "2017"],
        "SIGLADES": ["Concepción", None],
    },
    dtype="str",
)


def _parquet() -> bytes:
    stream = BytesIO()
    TABLE.to_parquet(stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        CSV,
        b"\xef\xbb\xbf" + CSV,
        CSV.decode().encode("latin-1"),
        CSV.replace(b"\n", b"\r\n"),
        gzip.compress(CSV),
        _parquet(),
    ],
    ids=["utf-8", "byte order mark", "latin-1", "windows line ends", "gzip", "parquet"],
)
def test_every_encoding_and_compression_is_read(content: bytes) -> None:
    """Encoding, compression and format are detected from the bytes."""
    table, _ = read_table(content, "the file")
    assert_frame_equal(table, TABLE)


def test_numbers_stay_as_they_are_written() -> None:
    """A flight number is text, even if the rest of its column are numbers."""
    table, _ = read_table(b"Vlo-I\n226\n007\n989P\n50.0\n", "the file")
    assert table["Vlo-I"].tolist() == ["226", "007", "989P", "50.0"]


def test_words_that_mean_missing_elsewhere_are_text() -> None:
    """Only an empty field is missing: "NA" and "null" are text."""
    table, _ = read_table(b"a,b\nNA,null\n,x\n", "the file")
    assert table["a"].tolist()[0] == "NA"
    assert table["b"].tolist() == ["null", "x"]
    assert table["a"].isna().tolist() == [False, True]


def test_the_plain_bytes_do_not_depend_on_the_compression() -> None:
    """A table has the same bytes to hash with and without compression."""
    assert read_table(gzip.compress(CSV), "a")[1] == read_table(CSV, "b")[1] == CSV


def test_latin_1_is_mentioned(caplog: pytest.LogCaptureFixture) -> None:
    """Reading as Latin-1 is logged."""
    with caplog.at_level(logging.INFO, "data.read_table"):
        read_table(CSV.decode().encode("latin-1"), "old.csv")
    assert "old.csv: is not UTF-8; read as Latin-1." in caplog.messages


@pytest.mark.parametrize(
    "content", [b"", b"\n \n", gzip.compress(b"")], ids=["empty", "blank", "gzip"]
)
def test_an_empty_file_is_an_error(content: bytes) -> None:
    """No bytes, only white space, and compressed nothing are all empty."""
    with pytest.raises(EmptySourceError, match=r"^dataset\.csv: is empty\.$"):
        read_table(content, "dataset.csv")


@pytest.mark.parametrize(
    "content", [gzip.compress(CSV)[:-20], _parquet()[:-20]], ids=["gzip", "parquet"]
)
def test_a_truncated_file_is_an_error(content: bytes) -> None:
    """A truncated download has an error of its own, with advice."""
    with pytest.raises(TruncatedSourceError, match="ends in the middle: download it again"):
        read_table(content, "dataset.csv.gz")


def test_damaged_gzip_is_an_error() -> None:
    """Changed bytes are reported as damage."""
    damaged = bytearray(gzip.compress(CSV))
    damaged[-6] ^= 0xFF
    with pytest.raises(TruncatedSourceError, match="gzip data is damaged"):
        read_table(bytes(damaged), "dataset.csv.gz")


@pytest.mark.parametrize(
    "content",
    [
        b"<!DOCTYPE html><html>404</html>",
        CSV.decode().encode("utf-16"),
        b"PK\x03\x04\x14\x00\x00\x00\x08\x00",
        b"a,b\n1,2\n1,2,3,4\n",
        b"PAR1 and then nonsense PAR1",
    ],
    ids=["web page", "utf-16", "zip", "ragged", "false parquet"],
)
def test_a_file_that_is_no_table_is_an_error(content: bytes) -> None:
    """Other files raise an error that names the source."""
    with pytest.raises(NotATableError, match=r"^flights\.dat: ") as caught:
        read_table(content, "flights.dat")
    assert isinstance(caught.value, SourceError)
