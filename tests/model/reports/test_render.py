"""Test that templates escape HTML, refuse missing values and strip trailing blanks."""

from __future__ import annotations

from pathlib import Path

import pytest
from jinja2 import UndefinedError

from model.reports.render import render_template


@pytest.mark.parametrize(("name", "text"), [("a.html.jinja", "&lt;b&gt;"), ("a.md.jinja", "<b>")])
def test_html_is_escaped_and_markdown_is_not(tmp_path: Path, name: str, text: str) -> None:
    """Values in HTML templates are escaped."""
    (tmp_path / name).write_text("{% if true %}\n{{ value }}\n{% endif %}\n")
    assert render_template(tmp_path / name, value="<b>") == f"{text}\n"


def test_a_missing_value_is_an_error(tmp_path: Path) -> None:
    """A name without a value is an error, not an empty text."""
    (tmp_path / "a.md.jinja").write_text("{{ forgotten }}")
    with pytest.raises(UndefinedError, match="forgotten"):
        render_template(tmp_path / "a.md.jinja")


def test_filters_are_called_and_lines_end_clean(tmp_path: Path) -> None:
    """The template can call given filters, and no line ends in a blank."""
    (tmp_path / "a.md.jinja").write_text("{{ 2 | twice }}  \n\nend")
    assert render_template(tmp_path / "a.md.jinja", {"twice": lambda n: str(2 * n)}) == "4\n\nend\n"
