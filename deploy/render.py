"""Replace the placeholders of a YAML file: `python -m deploy.render FILE NAME=VALUE...`.

It only needs Python's standard library, so that `setup.sh` can use it on any machine.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path

_NAME = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")


class RenderError(Exception):
    """Error for a placeholder without a value, or a value without a placeholder."""


def render(text: str, values: Mapping[str, str]) -> str:
    """Replace every ``${NAME}``; names with a leading underscore are Cloud Build's and stay.

    Raises
    ------
    RenderError
        If a name has no value, or a value is not used.
    """
    names = set(_NAME.findall(text))
    if missing := sorted(names - set(values)):
        message = f"no value for {', '.join(missing)}"
        raise RenderError(message)
    if unused := sorted(set(values) - names):
        message = f"not used: {', '.join(unused)}"
        raise RenderError(message)
    return _NAME.sub(lambda found: values[found[1]], text)


def main(arguments: list[str]) -> None:
    """Print the file with its placeholders replaced."""
    path, *pairs = arguments
    values = dict(pair.split("=", 1) for pair in pairs)
    try:
        sys.stdout.write(render(Path(path).read_text(), values))
    except RenderError as error:
        message = f"{path}: {error}"
        raise SystemExit(message) from error


if __name__ == "__main__":
    main(sys.argv[1:])
