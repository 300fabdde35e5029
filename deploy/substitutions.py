"""Replace Cloud Build's substitutions: `$NAME`, `${NAME}`, and `$$` for a dollar sign."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

BUILT_IN = frozenset({"PROJECT_ID", "BUILD_ID", "COMMIT_SHA"})
"""Built-in substitutions that this project uses; every build from a trigger has them."""

_USE = re.compile(r"\$(?:\$|\{(\w+)\}|(\w+))")


class SubstitutionError(Exception):
    """Error for a substitution without a value."""


def used(value: Any) -> Iterator[str]:
    """Yield the names used anywhere in data."""
    if isinstance(value, str):
        yield from (found[1] or found[2] for found in _USE.finditer(value) if found[0] != "$$")
    elif isinstance(value, list):
        for item in value:
            yield from used(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from used(item)


def resolve(defaults: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    """Return all substitutions, with references to others replaced (`dynamicSubstitutions`).

    Raises
    ------
    SubstitutionError
        If one has no value, or references itself.
    """
    found = {**defaults, **values}
    for _ in found:
        found = {name: expand(text, found) for name, text in found.items()}
    if circular := sorted(name for name, text in found.items() if list(used(text))):
        message = f"circular substitutions: {', '.join(circular)}"
        raise SubstitutionError(message)
    return found


def expand(value: Any, values: Mapping[str, str]) -> Any:
    """Return data with its substitutions replaced.

    Raises
    ------
    SubstitutionError
        If a name has no value.
    """
    if isinstance(value, list):
        return [expand(item, values) for item in value]
    if isinstance(value, dict):
        return {key: expand(item, values) for key, item in value.items()}
    return _USE.sub(lambda use: _one(use, values), value) if isinstance(value, str) else value


def _one(use: re.Match[str], values: Mapping[str, str]) -> str:
    if use[0] == "$$":
        return "$"
    name = use[1] or use[2]
    if name not in values:
        message = f"the substitution {name} is used but not defined"
        raise SubstitutionError(message)
    return values[name]
