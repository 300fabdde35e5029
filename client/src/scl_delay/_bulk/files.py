"""Score a CSV file row by row, in constant memory; an interrupted run can be resumed."""

from __future__ import annotations

import csv
import gzip
import sys
import zlib
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from pathlib import Path
from typing import Any, TextIO, cast

from scl_delay._bulk.columns import FORMATTERS, RESULT_COLUMNS, RESULTS, schedule_columns
from scl_delay.client import DelayClient
from scl_delay.errors import IncompleteError
from scl_delay.models import Prediction

FIRST_LINE = 2
"""Line number of the first flight: the header is line 1."""

Row = dict[str, str]


class FileError(Exception):
    """Error for an unusable file; the message says what to do."""


def score_file(
    client: DelayClient,
    flights: Path,
    output: Path | None,
    *,
    resume: bool = False,
    progress: bool = False,
) -> dict[str, Any]:
    """Score the flights of a file and write its rows with the results.

    Parameters
    ----------
    flights
        CSV in UTF-8 with a header; compressed with gzip if its name ends in ``.gz``.
    output
        File to write; None for standard output.
    resume
        Whether to keep the rows of `output` and continue after them.

    Returns
    -------
    Counts of this run: flights scored, delayed ones, flights of each risk.

    Raises
    ------
    FileError
        If the input is no CSV, `output` cannot be resumed, or both are the same file.
    ColumnsError
        If columns are missing.
    IncompleteError
        If a request fails; the rows answered before it have been written.
    """
    if output is not None and output.exists() and output.samefile(flights):
        message = f"{output} is the input file: choose another output"
        raise FileError(message)
    skipped = _rows_of(output) if resume else 0
    try:
        return _score_from(client, flights, output, skipped, resume=resume, progress=progress)
    except (csv.Error, EOFError, zlib.error) as failure:
        message = f"{flights} is not a CSV file, or is truncated or damaged: {failure}"
        raise FileError(message) from failure


def _score_from(
    client: DelayClient,
    flights: Path,
    output: Path | None,
    skipped: int,
    *,
    resume: bool,
    progress: bool,
) -> dict[str, Any]:
    """Score the rows after the first `skipped` ones."""
    with _reading(flights) as source, _writing(output, append=resume) as target:
        rows = csv.DictReader(source)
        columns = list(rows.fieldnames or ())
        names = schedule_columns(columns)
        kept = [name for name in columns if name not in RESULT_COLUMNS]
        writer = csv.DictWriter(target, [*kept, *RESULT_COLUMNS], extrasaction="ignore")
        if not resume:
            writer.writeheader()
        rest = islice(rows, skipped, None)
        try:
            return _score(client, rest, names, writer, progress=progress)
        except IncompleteError as stopped:
            raise _explained(stopped, flights, output, skipped) from stopped


def _score(
    client: DelayClient,
    rows: Iterator[Row],
    names: dict[str, str],
    writer: csv.DictWriter[str],
    *,
    progress: bool,
) -> dict[str, Any]:
    waiting: deque[Row] = deque()

    def flights() -> Iterator[dict[str, Any]]:
        for row in rows:
            waiting.append(row)
            yield {english: FORMATTERS[english](row[name]) for english, name in names.items()}

    risks: Counter[str] = Counter()
    delayed = 0
    for prediction in client.predict_stream(flights(), progress=progress):
        writer.writerow({**waiting.popleft(), **_results(prediction)})
        risks[prediction.risk] += 1
        delayed += prediction.delayed
    return {"flights": risks.total(), "delayed": delayed, "risk": dict(risks)}


def _results(prediction: Prediction) -> dict[str, Any]:
    values = (getattr(prediction, name) for name in RESULTS)
    return dict(zip(RESULT_COLUMNS, values, strict=True))


def _explained(
    stopped: IncompleteError, flights: Path, output: Path | None, skipped: int
) -> IncompleteError:
    """Return the error with the first invalid row and the command that resumes the run."""
    rows = skipped + stopped.answered
    problem = getattr(stopped.reason, "problem", None)
    places = [each.flight for each in (problem and problem.errors) or () if each.flight is not None]
    line = f" (line {places[0] + skipped + FIRST_LINE} of {flights})" if places else ""
    then = f"; to resume: scl-delay score {flights} -o {output} --resume" if output else ""
    explained = IncompleteError(rows, [], stopped.remaining, stopped.reason)
    explained.args = (f"{stopped.reason}{line}; {rows:,} rows were written{then}",)
    return explained


def _rows_of(output: Path | None) -> int:
    """Return the number of rows that an earlier run wrote."""
    if output is None or not output.exists():
        message = (
            f"nothing to resume: {output or 'standard output'} is not a file of an earlier run"
        )
        raise FileError(message)
    with output.open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        header = next(rows, [])
        count = 0
        for row in rows:
            if len(row) != len(header):
                message = f"{output} ends in the middle of a row: delete it and start again"
                raise FileError(message)
            count += 1
    if list(RESULT_COLUMNS) != header[-len(RESULT_COLUMNS) :]:
        message = f"{output} was not written by an earlier run"
        raise FileError(message)
    return count


def _reading(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return cast("TextIO", gzip.open(path, "rt", newline="", encoding="utf-8-sig"))
    return path.open(newline="", encoding="utf-8-sig")


def _writing(path: Path | None, *, append: bool) -> AbstractContextManager[TextIO]:
    if path is None:
        return nullcontext(sys.stdout)
    return path.open("a" if append else "w", newline="", encoding="utf-8")
