"""Tests that CSV is split into records without losing one, even if they are malformed."""

from __future__ import annotations

import csv
import gzip
import io
import random
from collections.abc import Callable

import pandas as pd
import pytest

from score import csv_input
from score.errors import InputError
from score.pieces import Rows
from score.validation import validate

HEADER = b"airline,flight_number,destination,scheduled_departure\n"
GOOD = b"LAN,120,SCFA,2017-07-14T08:30:00\n"

Read = Callable[[bytes], list[Rows]]


def column(rows: list[Rows], name: str) -> list[str]:
    """Return every value of a column."""
    return [value for each in rows for value in each.table[name].cast("string").to_pylist()]


def refused(rows: list[Rows]) -> dict[int, str]:
    """Return the reasons of the malformed records by row."""
    return {each.row: each.reason for piece in rows for each in piece.malformed}


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.usefixtures("small_pieces")
def test_csv_of_pandas_is_read(
    schedule: pd.DataFrame, csv_pieces: Read, newline: str, quoting: int
) -> None:
    """Line ends and quotes make no difference, and rows are numbered over all pieces."""
    text = schedule.to_csv(index=False, lineterminator=newline, quoting=quoting)  # type: ignore[call-overload] # pandas accepts an int
    rows = csv_pieces(gzip.compress(text.encode()))
    assert len(rows) > 3
    assert [each.start for each in rows] == [
        1 + sum(other.count for other in rows[:n]) for n in range(len(rows))
    ]
    for name in ("airline", "flight_number", "destination"):
        assert column(rows, name) == schedule[name].tolist()
    assert not refused(rows)


def test_records_with_another_number_of_columns_are_malformed(csv_pieces: Read) -> None:
    """Too few and too many columns are reported with the row; other rows keep their number."""
    rows = csv_pieces(HEADER + GOOD + b"LAN,120\n" + GOOD + b"\n\n" + b"a,b,c,d,e\n" + GOOD)
    assert refused(rows) == {2: "2 columns instead of 4", 4: "5 columns instead of 4"}
    assert rows[0].numbers.tolist() == [1, 3, 5]
    assert rows[0].count == 5


def test_a_quoted_line_feed_belongs_to_its_record(csv_pieces: Read) -> None:
    """A quoted value over two lines is one value."""
    rows = csv_pieces(HEADER + b'"LA\nN",120,SCFA,"2017-07-14T08:30:00"\n' + GOOD)
    assert column(rows, "airline") == ["LA\nN", "LAN"]


def test_an_unclosed_quote_loses_one_row(csv_pieces: Read) -> None:
    """The record with the unclosed quote is malformed, and the next ones are read."""
    rows = csv_pieces(HEADER + GOOD + b'LAN,"120,SCFA,2017-07-14T08:30:00\n' + GOOD * 200)
    assert refused(rows) == {2: csv_input.NOT_CLOSED}
    assert sum(each.count for each in rows) == 202


@pytest.mark.usefixtures("small_pieces")
def test_records_over_two_blocks_are_read(
    csv_pieces: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record over several lines is read as one wherever a block ends."""
    record = b'LAN,"1\n2\n3",SCFA,2017-07-14T08:30:00\n'
    for size in range(60, 100):
        monkeypatch.setattr(csv_input, "BLOCK_BYTES", size)
        rows = csv_pieces(HEADER + record * 9)
        assert column(rows, "flight_number") == ["1\n2\n3"] * 9, size


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_delimiter_and_encoding_are_detected(
    raw: pd.DataFrame, csv_pieces: Read, delimiter: str, encoding: str
) -> None:
    """Both are detected from the header."""
    few = raw.head(50).assign(AÑO="Ñ")
    text = few.to_csv(index=False, sep=delimiter)
    rows = csv_pieces(text.encode(encoding))
    assert column(rows, "destination") == few["Des-I"].tolist()


@pytest.mark.usefixtures("small_pieces")
def test_random_changes_lose_no_line(csv_pieces: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without quotes every line that is not empty is a row; with them the rows still add up."""
    changes = random.Random(1)  # noqa: S311 - not for cryptography
    for size in (80, 300, 5000) * 10:
        monkeypatch.setattr(csv_input, "BLOCK_BYTES", size)
        content = bytearray(GOOD * 50)
        for _ in range(changes.randrange(30)):
            content[changes.randrange(len(content))] = changes.choice(b'\0\xff,\n\r"; \t\xe2A')
        rows = csv_pieces(HEADER + bytes(content))
        count = sum(each.count for each in rows)
        assert [number for each in rows for number in each.numbers.tolist()] == sorted(
            set(range(1, count + 1)) - refused(rows).keys()
        )
        assert sum(len(validate(each.table).valid) for each in rows) + len(refused(rows)) == count
        lines = bytes(content).replace(b"\r\n", b"\n").replace(b"\r", b" ").split(b"\n")
        assert b'"' in content or count == sum(map(bool, lines))


def test_invalid_bytes_lose_no_other_row(csv_pieces: Read) -> None:
    """Rows with invalid UTF-8 and null bytes are kept, and their validation fails."""
    rows = csv_pieces(HEADER + GOOD * 200 + b"\xff\xfe,\x00,SCFA,2017-07-14\n" + GOOD)
    assert sum(each.count for each in rows) == 202
    assert not refused(rows)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"<html>", "web page"),
        (b"\0\1\2", "neither CSV nor Parquet"),
        (b"a,b\n1,2\n", r"columns are missing: airline \(or Emp-I\)"),
        (HEADER.replace(b"airline", b"airline,Emp-I"), "two columns for airline"),
        ((HEADER + GOOD).replace(b"\n", b"\r"), "end in a carriage return only"),
        (HEADER.replace(b",", b"\r,", 1), "header cannot be split into columns"),
        (gzip.compress(HEADER + GOOD * 9000, 0)[:-3000], "truncated or damaged"),
        (HEADER + b"x" * 300, "a line of more than"),
    ],
)
def test_a_file_that_is_not_a_table_of_flights_raises(
    csv_pieces: Read, monkeypatch: pytest.MonkeyPatch, content: bytes, message: str
) -> None:
    """The message names the fault of the file."""
    monkeypatch.setattr(csv_input, "LONGEST_RECORD", 200)
    monkeypatch.setattr(csv_input, "BLOCK_BYTES", 100)
    with pytest.raises(InputError, match=message):
        csv_pieces(content)


@pytest.mark.parametrize(
    "header",
    [
        b",".join(b"c%d" % column for column in range(3_000)),
        b",".join(b"c%d" % column for column in range(100_000)),
        HEADER.strip() + b"," + b"x" * 5_000_000,
        b",".join([b'"a\rb"', b"x" * 100_000]),
        b"x,\r" * 1_000_000,
    ],
    ids=["wide", "wider", "megabytes", "long names", "carriage returns"],
)
def test_a_very_wide_header_gives_a_short_message(csv_pieces: Read, header: bytes) -> None:
    """The message is one short line for any header."""
    with pytest.raises(InputError) as refused:
        csv_pieces(header + b"\n" + GOOD)
    assert len(str(refused.value).splitlines()) == 1
    assert len(str(refused.value)) < 2_000


def test_thousands_of_other_columns_are_ignored(csv_pieces: Read) -> None:
    """A file with thousands of other columns is read."""
    header = HEADER.strip() + b"".join(b",c%d" % column for column in range(5_000))
    rows = csv_pieces(header + b"\n" + (GOOD.strip() + b",1" * 5_000 + b"\n") * 3)
    assert column(rows, "airline") == ["LAN"] * 3


def test_a_header_alone_has_no_rows(csv_pieces: Read) -> None:
    """An empty table is not an error."""
    assert csv_pieces(HEADER) == []


def test_short_reads_give_the_same_pieces() -> None:
    """Pieces depend on the bytes, not on the size of the reads."""

    class ShortReads(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size or 7, 7))

    assert len(csv_input._read(ShortReads(b"x" * 100))) == 100
