"""Which triggers a change starts, by the files that it touches: Cloud Build's own rule."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any


def fires(trigger: dict[str, Any], changed: Iterable[str]) -> bool:
    """Whether a push that changed these files starts a trigger.

    Files that are ignored do not count; of the others, one that is included is enough. Source:
    Cloud Build's manual, "Included and ignored files".
    """
    included = trigger.get("includedFiles", ["**"])
    ignored = trigger.get("ignoredFiles", [])
    return any(_any_matches(included, name) and not _any_matches(ignored, name) for name in changed)


def matches(pattern: str, name: str) -> bool:
    """Whether a path matches a glob: ``**`` crosses folders, ``*`` does not."""
    parts = re.split(r"(\*\*/|\*\*|\*)", pattern)
    words = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*"}
    return bool(re.fullmatch("".join(words.get(part, re.escape(part)) for part in parts), name))


def _any_matches(patterns: Iterable[str], name: str) -> bool:
    return any(matches(pattern, name) for pattern in patterns)
