"""Read CSV of any size in blocks; malformed records are reported, and none is lost."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import IO

import pyarrow as pa
import pyarrow.csv as arrow_csv

from data.read_table import GZIP_MAGIC, LATIN_1, UTF8_OR_BOM
from score.columns import Layout, find_layout, known_columns
from score.errors import InputError
from score.pieces import PIECE_ROWS, LoadedRows, Malformed, Piece, Rows

BLOCK_BYTES = 1 << 20
LONGEST_RECORD = 1 << 24
"""Longest line in bytes; a file with a longer one is not CSV."""
LONGEST_HEADER = csv.field_size_limit()
"""Bytes. Each candidate delimiter is tried, and one that the header lacks gives a single field."""
MOST_LINES = 100
"""Lines of a quoted field. A longer one is malformed: reading resumes after its first line."""
DELIMITERS = (",", ";", "\t", "|")

NOT_CLOSED = "a quote is not closed"
QUOTE_INSIDE = "a quote is inside a value"
TEXT = pa.dictionary(pa.int32(), pa.string())


@dataclass(frozen=True, slots=True)
class Dialect:
    """Format of the records of one file.

    Attributes
    ----------
    columns
        Number of columns of each record.
    """

    delimiter: str
    columns: int
    layout: Layout
    encoding: str

    def wrong_count(self, found: int) -> str:
        """Return the reason for a record with another number of columns."""
        return f"{found} columns instead of {self.columns}"


@dataclass(frozen=True, slots=True)
class Block:
    """Parsed records: a table of the valid ones, and the malformed ones."""

    table: pa.Table
    malformed: tuple[Malformed, ...]

    def __len__(self) -> int:
        good: int = self.table.num_rows
        return good + len(self.malformed)


def csv_pieces(stream: IO[bytes], size: int, name: str) -> Iterator[Piece]:
    """Split a CSV file, gzip-compressed or not, into pieces.

    Parameters
    ----------
    stream
        The file, at its beginning.
    size
        Bytes of the stream, for the progress; 0 if unknown.
    name
        Name of the file in errors.

    Raises
    ------
    InputError
        If it is not a CSV file of flights, or is truncated.
    """
    try:
        yield from _pieces(_plain(stream), name, lambda: stream.tell() / size if size else 0.0)
    except (EOFError, zlib.error, gzip.BadGzipFile) as failure:
        message = f"{name}: its gzip data is truncated or damaged ({failure}): get it again."
        raise InputError(message) from failure


def _pieces(stream: IO[bytes], name: str, progress: Callable[[], float]) -> Iterator[Piece]:
    header, rest = _header(stream, name)
    dialect = _dialect(header, name)
    blocks: list[Block] = []
    number, start, waiting = 0, 1, 0
    for block in _blocks(stream, rest, dialect, name):
        blocks.append(block)
        waiting += len(block)
        if waiting >= PIECE_ROWS:
            rows = _join(blocks, start)
            yield Piece(number, rows.count, LoadedRows(rows), progress())
            number, start, waiting, blocks = number + 1, start + rows.count, 0, []
    if waiting:
        rows = _join(blocks, start)
        yield Piece(number, rows.count, LoadedRows(rows), 1.0)


def _plain(stream: IO[bytes]) -> IO[bytes]:
    magic = stream.read(len(GZIP_MAGIC))
    stream.seek(0)
    return gzip.GzipFile(fileobj=stream) if magic == GZIP_MAGIC else stream  # type: ignore[return-value] # reads as one


def _header(stream: IO[bytes], name: str) -> tuple[bytes, bytes]:
    """Return the first line that is not empty, and the bytes read after it."""
    content = _read(stream)
    line, ended, rest = content.lstrip(b"\r\n").partition(b"\n")
    if b"\0" in line or line.lstrip()[:1] == b"<":
        message = f"{name}: is neither CSV nor Parquet, but a web page or another kind of file."
        raise InputError(message)
    if not line.strip():
        message = f"{name}: is empty."
        raise InputError(message)
    if not ended and b"\r" in line.strip():
        message = f"{name}: its lines end in a carriage return only: end them in a line feed."
        raise InputError(message)
    if len(line) > LONGEST_HEADER:
        message = f"{name}: has a header of more than {LONGEST_HEADER:,} bytes: it is not CSV."
        raise InputError(message)
    return line, rest


def _dialect(header: bytes, name: str) -> Dialect:
    encoding = "utf-8"
    try:
        text = header.decode(UTF8_OR_BOM)
    except UnicodeDecodeError:
        text, encoding = header.decode(LATIN_1), LATIN_1
    try:
        cut = {mark: next(csv.reader([text.strip("\r")], delimiter=mark)) for mark in DELIMITERS}
    except csv.Error as failure:
        message = f"{name}: its header cannot be split into columns ({failure})."
        raise InputError(message) from failure
    delimiter = max(cut, key=lambda mark: known_columns(cut[mark]))
    columns = cut[delimiter]
    return Dialect(delimiter, len(columns), find_layout(columns, name), encoding)


def _blocks(stream: IO[bytes], rest: bytes, dialect: Dialect, name: str) -> Iterator[Block]:
    while True:
        more = _read(stream)
        text = rest + more
        whole, rest = (text, b"") if not more else _whole_lines(text)
        if len(rest) > LONGEST_RECORD:
            message = f"{name}: has a line of more than {LONGEST_RECORD:,} bytes: it is not CSV."
            raise InputError(message)
        if whole:
            block, open_tail = _cut(whole, dialect, last=not more)
            rest = open_tail + rest
            yield block
        if not more:
            return


def _read(stream: IO[bytes]) -> bytes:
    """Return the next block; all but the last have the same size, even if reads are short."""
    parts = []
    wanted = BLOCK_BYTES
    while wanted and (part := stream.read(wanted)):
        parts.append(part)
        wanted -= len(part)
    return b"".join(parts)


def _whole_lines(text: bytes) -> tuple[bytes, bytes]:
    end = text.rfind(b"\n") + 1
    return text[:end], text[end:]


def _cut(text: bytes, dialect: Dialect, *, last: bool) -> tuple[Block, bytes]:
    """Parse whole lines into records; also return the lines of an unfinished last record."""
    lines = _normal(text, dialect.encoding)
    block = _cut_fast(lines, dialect)
    if block is not None and len(block) == lines.count(b"\n"):
        return block, b""
    return _cut_carefully(lines.splitlines(keepends=True), dialect, last=last)


def _normal(text: bytes, encoding: str) -> bytes:
    """Return valid UTF-8 with line feeds and without empty lines."""
    if not text.isascii():
        text = text.decode(encoding, errors="replace").encode()
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b" ")
    if not text.endswith(b"\n"):
        text += b"\n"
    if text.startswith(b"\n") or b"\n\n" in text:
        text = b"".join(line + b"\n" for line in text.split(b"\n") if line)
    return text


def _cut_fast(lines: bytes, dialect: Dialect) -> Block | None:
    """Parse with Arrow; return None if it fails, as it does on misplaced quotes."""
    quoted = b'"' in lines
    malformed: list[Malformed] = []

    def refuse(row: arrow_csv.InvalidRow) -> str:
        reason = dialect.wrong_count(row.actual_columns)
        malformed.append(Malformed(row.number - 1, row.text, reason))
        return "skip"

    try:
        table = arrow_csv.read_csv(
            pa.py_buffer(lines), *_options(dialect, len(lines), refuse, quoted=quoted)
        )
    except (pa.ArrowInvalid, UnicodeDecodeError):
        return None
    return Block(_named(table, dialect), tuple(malformed))


def _options(
    dialect: Dialect, size: int, refuse: Callable[[arrow_csv.InvalidRow], str], *, quoted: bool
) -> tuple[arrow_csv.ReadOptions, arrow_csv.ParseOptions, arrow_csv.ConvertOptions]:
    names = [f"c{position}" for position in range(dialect.columns)]
    wanted = [f"c{position}" for position in dialect.layout.position.values()]
    return (
        arrow_csv.ReadOptions(column_names=names, use_threads=False, block_size=size + 1),
        arrow_csv.ParseOptions(
            delimiter=dialect.delimiter,
            quote_char='"' if quoted else False,
            invalid_row_handler=refuse,
        ),
        arrow_csv.ConvertOptions(
            include_columns=wanted,
            column_types=dict.fromkeys(wanted, TEXT),
            check_utf8=False,
        ),
    )


def _cut_carefully(lines: Sequence[bytes], dialect: Dialect, *, last: bool) -> tuple[Block, bytes]:
    """Parse record by record; used if quotes are misplaced."""
    good: list[list[str]] = []
    malformed: list[Malformed] = []
    at = 0
    while at < len(lines):
        span = _record_lines(lines, at)
        if span is None and not last and len(lines) - at < MOST_LINES:
            break
        record = b"".join(lines[at : at + (span or 1)]).decode(errors="replace").removesuffix("\n")
        cells, reason = _cells(record, dialect, closed=span is not None)
        if reason:
            malformed.append(Malformed(len(good) + len(malformed), record, reason))
        else:
            good.append(cells)
        at += span or 1
    return Block(_table(good, dialect), tuple(malformed)), b"".join(lines[at:])


def _record_lines(lines: Sequence[bytes], at: int) -> int | None:
    """Return the number of lines of the record at `at`, or None if its quote is not closed."""
    quotes = 0
    for span, line in enumerate(lines[at : at + MOST_LINES], start=1):
        quotes += line.count(b'"')
        if quotes % 2 == 0:
            return span
    return None


def _cells(record: str, dialect: Dialect, *, closed: bool) -> tuple[list[str], str]:
    if not closed:
        return [], NOT_CLOSED
    try:
        rows = list(csv.reader(StringIO(record, newline=""), delimiter=dialect.delimiter))
    except csv.Error as failure:
        return [], str(failure)
    if len(rows) != 1:
        return [], QUOTE_INSIDE
    return rows[0], "" if len(rows[0]) == dialect.columns else dialect.wrong_count(len(rows[0]))


def _table(records: Sequence[Sequence[str]], dialect: Dialect) -> pa.Table:
    columns = {
        field: pa.array([record[position] for record in records], pa.string()).dictionary_encode()
        for field, position in dialect.layout.position.items()
    }
    return pa.table(columns)


def _named(table: pa.Table, dialect: Dialect) -> pa.Table:
    return table.rename_columns(list(dialect.layout.position))


def _join(blocks: Sequence[Block], start: int) -> Rows:
    malformed: list[Malformed] = []
    count = 0
    for block in blocks:
        first = start + count
        malformed += (Malformed(first + m.row, m.text, m.reason) for m in block.malformed)
        count += len(block)
    return Rows(start, count, pa.concat_tables([b.table for b in blocks]), tuple(malformed))
