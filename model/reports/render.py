"""Fills in the templates of pages and documents, all by the same rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

Filters = Mapping[str, Callable[..., str]]


def render_template(template: Path, filters: Filters | None = None, /, **values: Any) -> str:
    """Fill in a template; what it names and is not given is an error.

    Parameters
    ----------
    template
        A file ``*.html.jinja``, whose values are escaped, or one of another format (Markdown),
        whose values are our own words and figures.
    filters
        Functions that the template may call, beside Jinja's own.
    values
        By the name that the template calls them.

    Returns
    -------
    The text, no line of which ends in a blank: the same values give the same bytes.
    """
    # HTML is escaped; what is not HTML is our own words and figures
    environment = Environment(  # nosec B701
        loader=FileSystemLoader(template.parent),
        autoescape=template.name.endswith("html.jinja"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= dict(filters or {})
    text = environment.get_template(template.name).render(**values)
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())
