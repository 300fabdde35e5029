"""Templates are filled by one set of rules: escaped where it is HTML, and nothing is missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from jinja2 import UndefinedError

from model.reports.render import render_template


@pytest.mark.parametrize(("name", "said"), [("a.html.jinja", "&lt;b&gt;"), ("a.md.jinja", "<b>")])
def test_html_is_escaped_and_markdown_is_not(tmp_path: Path, name: str, said: str) -> None:
    """What a value holds cannot become markup of a page."""
    (tmp_path / name).write_text("{% if true %}\n{{ value }}\n{% endif %}\n")
    assert render_template(tmp_path / name, value="<b>") == f"{said}\n"


def test_what_is_not_given_is_an_error(tmp_path: Path) -> None:
    """A name without a value is not silently empty."""
    (tmp_path / "a.md.jinja").write_text("{{ forgotten }}")
    with pytest.raises(UndefinedError, match="forgotten"):
        render_template(tmp_path / "a.md.jinja")


def test_filters_are_called_and_lines_end_clean(tmp_path: Path) -> None:
    """Own functions can be called, and no line ends in a blank."""
    (tmp_path / "a.md.jinja").write_text("{{ 2 | twice }}  \n\nend")
    assert render_template(tmp_path / "a.md.jinja", {"twice": lambda n: str(2 * n)}) == "4\n\nend\n"
