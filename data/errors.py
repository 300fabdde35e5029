"""Exceptions of loading flights.

::

    DataError
    ├── MappingError            the description of a file of another airport is wrong
    ├── SourceError             the bytes could not be read, or are no table
    │   ├── SourceNotFoundError     no such file, address or object
    │   ├── SourceUnreachableError  the network or the bucket did not answer
    │   ├── EmptySourceError        no bytes in it
    │   ├── TruncatedSourceError    it ends in the middle
    │   ├── WrongHashError          not the published bytes
    │   └── NotATableError          neither CSV nor Parquet
    └── ContentError            a table, but not of flights
        ├── MissingColumnsError     columns are missing
        ├── InvalidRowsError        rows break the rules
        └── NoFlightsError          no row is left

Every message is a sentence for the user who named the source.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


class DataError(Exception):
    """Flights could not be loaded."""


class MappingError(DataError):
    """The description of a file of another airport is wrong."""


class SourceError(DataError):
    """The bytes could not be read, or are no table."""


class SourceNotFoundError(SourceError):
    """There is no such file, address or object."""


class SourceUnreachableError(SourceError):
    """The network or the bucket did not answer."""


class EmptySourceError(SourceError):
    """The source holds no bytes."""


class TruncatedSourceError(SourceError):
    """The source ends in the middle."""


class WrongHashError(SourceError):
    """The bytes are not the published ones."""


class NotATableError(SourceError):
    """The bytes are neither CSV nor Parquet."""


class ContentError(DataError):
    """The source is a table, but not of flights."""


class NoFlightsError(ContentError):
    """No row is left."""


class MissingColumnsError(ContentError):
    """Columns are missing.

    Parameters
    ----------
    missing, found
        Names of columns as the file spells them.
    """

    def __init__(self, missing: Iterable[str], found: Iterable[str]) -> None:
        self.missing = tuple(missing)
        self.found = tuple(found)
        super().__init__(
            f"columns are missing: {', '.join(self.missing)}. Found: {', '.join(self.found)}."
        )


@dataclass(frozen=True, slots=True)
class Problem:
    """One rule that rows of the file break.

    Attributes
    ----------
    column
        As the file spells it.
    rule
        What is wrong, in words.
    rows
        How many rows break it.
    examples
        A few of them: line of the file (the header is line 1) and its text.
    """

    column: str
    rule: str
    rows: int
    examples: tuple[tuple[int, str], ...]


class InvalidRowsError(ContentError):
    """Rows break the rules.

    Parameters
    ----------
    problems
        One for each rule that is broken.
    invalid, total
        Rows that break at least one rule, and all rows.
    """

    def __init__(self, problems: Sequence[Problem], invalid: int, total: int) -> None:
        self.problems = tuple(problems)
        self.invalid = invalid
        self.total = total
        super().__init__(
            f"{invalid:,} of {total:,} rows are not valid flights:\n"
            f"{_table(self.problems)}\n"
            "Correct them, or leave them out with --drop-invalid."
        )


def _table(problems: Sequence[Problem]) -> str:
    head = ("column", "rows", "what is wrong", "for example")
    body = [(p.column, f"{p.rows:,}", p.rule, _examples(p)) for p in problems]
    widths = [max(len(row[i]) for row in (head, *body)) for i in range(len(head))]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in (head, *body))
    return "\n".join(f"  {line}" for line in lines)


def _examples(problem: Problem) -> str:
    return ", ".join(f"line {line}: {text!r}" for line, text in problem.examples)
