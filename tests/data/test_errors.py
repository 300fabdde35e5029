"""Check the exceptions: one tree, and messages for users."""

from __future__ import annotations

import inspect

import pytest

from data import errors
from data.errors import DataError, InvalidRowsError, MissingColumnsError, Problem

CLASSES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]
EXCEPTIONS = [kind for kind in CLASSES if issubclass(kind, Exception)]


@pytest.mark.parametrize("kind", EXCEPTIONS)
def test_one_class_catches_them_all(kind: type[Exception]) -> None:
    """Every exception of loading flights is a `DataError`."""
    assert issubclass(kind, DataError)


@pytest.mark.parametrize("kind", EXCEPTIONS)
def test_the_tree_in_the_docstring_is_complete(kind: type[Exception]) -> None:
    """The docstring of the module has every exception below its base class."""
    drawing = (errors.__doc__ or "").splitlines()
    depths = {
        line.lstrip("│├└─ ").split()[0]: len(line) - len(line.lstrip("│├└─ "))
        for line in drawing
        if "Error" in line
    }
    parent = kind.__bases__[0].__name__
    assert kind.__name__ in depths
    assert parent == "Exception" or depths[parent] < depths[kind.__name__]


def test_missing_columns_are_attributes_and_in_the_message() -> None:
    """Both lists are attributes, and the message is a sentence."""
    error = MissingColumnsError(["Des-I"], iter(["Emp-I", "Vlo-I"]))
    assert (error.missing, error.found) == (("Des-I",), ("Emp-I", "Vlo-I"))
    assert str(error) == "columns are missing: Des-I. Found: Emp-I, Vlo-I."


def test_the_table_of_bad_rows_is_aligned() -> None:
    """Columns of the report are aligned, however long their values are."""
    problems = [
        Problem("Des-I", "missing", 1_200, ((2, ""),)),
        Problem("TIPOVUELO", "neither I nor N", 7, ((3, "D"), (9, "X"))),
    ]
    _, head, first, second, _ = str(InvalidRowsError(problems, 1_207, 68_206)).splitlines()
    starts = [line.index(word) for line, word in ((head, "rows"), (first, "1,200"), (second, "7"))]
    assert len(set(starts)) == 1
    starts = [head.index("for example"), first.index("line 2"), second.index("line 3")]
    assert len(set(starts)) == 1
    assert second.endswith("line 3: 'D', line 9: 'X'")
