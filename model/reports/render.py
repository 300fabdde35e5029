"""Render the templates of pages and documents, all with the same settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

Filters = Mapping[str, Callable[..., str]]


def render_template(template: Path, filters: Filters | None = None, /, **values: Any) -> str:
    """Render a template; a name without a value is an error.

    Parameters
    ----------
    template
        A file ``*.html.jinja``, whose values are escaped, or one of another format (Markdown),
        whose values are the project's own texts and figures.
    filters
        Filters for the template, in addition to Jinja's own.
    values
        Values by their name in the template.

    Returns
    -------
    The text without trailing blanks: the same values give the same bytes.
    """
    # only HTML is escaped: values of other formats are the project's own texts and figures
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
