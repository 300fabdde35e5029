"""CSV is cut into records without losing one, whatever is wrong with them."""

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
from score.validation import check

HEADER = b"airline,flight_number,destination,scheduled_departure\n"
GOOD = b"LAN,120,SCFA,2017-07-14T08:30:00\n"

Read = Callable[[bytes], list[Rows]]


def column(rows: list[Rows], name: str) -> list[str]:
    """Every value of a column."""
    return [value for each in rows for value in each.table[name].cast("string").to_pylist()]


def refused(rows: list[Rows]) -> dict[int, str]:
    """Reason by row of the malformed records."""
    return {each.row: each.reason for piece in rows for each in piece.malformed}


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.usefixtures("small_pieces")
def test_what_pandas_writes_is_read_back(
    schedule: pd.DataFrame, csv_pieces: Read, newline: str, quoting: int
) -> None:
    """Line ends and quotes make no difference, and rows are numbered through all pieces."""
    text = schedule.to_csv(index=False, lineterminator=newline, quoting=quoting)  # type: ignore[call-overload] # an int is what it takes
    rows = csv_pieces(gzip.compress(text.encode()))
    assert len(rows) > 3
    assert [each.start for each in rows] == [
        1 + sum(other.count for other in rows[:n]) for n in range(len(rows))
    ]
    for name in ("airline", "flight_number", "destination"):
        assert column(rows, name) == schedule[name].tolist()
    assert not refused(rows)


def test_records_of_another_width_are_refused_with_their_row(csv_pieces: Read) -> None:
    """Too few and too many columns are told with the row's number; the others stay in place."""
    rows = csv_pieces(HEADER + GOOD + b"LAN,120\n" + GOOD + b"\n\n" + b"a,b,c,d,e\n" + GOOD)
    assert refused(rows) == {2: "2 columns instead of 4", 4: "5 columns instead of 4"}
    assert rows[0].numbers.tolist() == [1, 3, 5]
    assert rows[0].count == 5


def test_a_quoted_line_feed_belongs_to_its_record(csv_pieces: Read) -> None:
    """A value over two lines is one value."""
    rows = csv_pieces(HEADER + b'"LA\nN",120,SCFA,"2017-07-14T08:30:00"\n' + GOOD)
    assert column(rows, "airline") == ["LA\nN", "LAN"]


def test_a_quote_that_stays_open_costs_one_row(csv_pieces: Read) -> None:
    """The record with the open quote is refused, and those after it are read."""
    rows = csv_pieces(HEADER + GOOD + b'LAN,"120,SCFA,2017-07-14T08:30:00\n' + GOOD * 200)
    assert refused(rows) == {2: csv_input.NOT_CLOSED}
    assert sum(each.count for each in rows) == 202


@pytest.mark.usefixtures("small_pieces")
def test_quotes_over_the_border_of_blocks_are_kept_together(
    csv_pieces: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever a block ends, a record over several lines is read as one."""
    record = b'LAN,"1\n2\n3",SCFA,2017-07-14T08:30:00\n'
    for size in range(60, 100):
        monkeypatch.setattr(csv_input, "BLOCK_BYTES", size)
        rows = csv_pieces(HEADER + record * 9)
        assert column(rows, "flight_number") == ["1\n2\n3"] * 9, size


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_delimiter_and_encoding_are_found_out(
    raw: pd.DataFrame, csv_pieces: Read, delimiter: str, encoding: str
) -> None:
    """The header tells what stands between columns and how letters are written."""
    few = raw.head(50).assign(AÑO="Ñ")
    text = few.to_csv(index=False, sep=delimiter)
    rows = csv_pieces(text.encode(encoding))
    assert column(rows, "destination") == few["Des-I"].tolist()


@pytest.mark.usefixtures("small_pieces")
def test_bytes_changed_at_random_lose_no_line(
    csv_pieces: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without quotes every line that is not empty is a row; with them the rows still add up."""
    changes = random.Random(1)  # noqa: S311 - it only breaks things
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
        assert sum(len(check(each.table).valid) for each in rows) + len(refused(rows)) == count
        lines = bytes(content).replace(b"\r\n", b"\n").replace(b"\r", b" ").split(b"\n")
        assert b'"' in content or count == sum(map(bool, lines))


def test_bytes_that_are_no_text_cost_no_other_row(csv_pieces: Read) -> None:
    """Broken UTF-8 and null bytes are carried along, to be refused by the rules."""
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
        ((HEADER + GOOD).replace(b"\n", b"\r"), "end in a carriage return alone"),
        (HEADER.replace(b",", b"\r,", 1), "header cannot be cut into columns"),
        (gzip.compress(HEADER + GOOD * 9000, 0)[:-3000], "cut short or damaged"),
        (HEADER + b"x" * 300, "a line of more than"),
    ],
)
def test_what_is_no_table_of_flights_is_refused(
    csv_pieces: Read, monkeypatch: pytest.MonkeyPatch, content: bytes, message: str
) -> None:
    """The message says what is wrong with the file."""
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
def test_a_very_wide_header_is_refused_in_one_short_line(csv_pieces: Read, header: bytes) -> None:
    """No header, however long, makes a long message."""
    with pytest.raises(InputError) as refused:
        csv_pieces(header + b"\n" + GOOD)
    assert len(str(refused.value).splitlines()) == 1
    assert len(str(refused.value)) < 2_000


def test_thousands_of_columns_beside_those_of_a_flight_are_read(csv_pieces: Read) -> None:
    """Columns that nobody asked for are no reason to refuse a file."""
    header = HEADER.strip() + b"".join(b",c%d" % column for column in range(5_000))
    rows = csv_pieces(header + b"\n" + (GOOD.strip() + b",1" * 5_000 + b"\n") * 3)
    assert column(rows, "airline") == ["LAN"] * 3


def test_a_header_alone_has_no_rows(csv_pieces: Read) -> None:
    """An empty table is not an error."""
    assert csv_pieces(HEADER) == []


def test_a_stream_that_gives_little_at_once_is_cut_at_the_same_places() -> None:
    """Pieces depend on the bytes alone, not on how they arrive."""

    class Dribble(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size or 7, 7))

    assert len(csv_input._read(Dribble(b"x" * 100))) == 100
