"""Format of the API key file: one line per key, with the key's SHA-256 and not the key itself."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_LINE = re.compile(
    r"(?P<name>[A-Za-z0-9._-]{1,64})\s+(?P<digest>[0-9a-f]{64})(\s+(?P<rate>[0-9]+(\.[0-9]+)?))?"
)
MAKE_KEY = "make one with  python -m serving.api.auth NAME"


class KeyFileError(ValueError):
    """Invalid key file; the text gives the line number and the expected form."""


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """Line of the key file.

    Attributes
    ----------
    name
        Client that holds the key. Two entries may share a name while a key is replaced.
    digest
        SHA-256 of the key.
    rate
        Requests per second; infinite if none is given.
    """

    name: str
    digest: bytes
    rate: float = math.inf


def parse(text: str) -> list[KeyEntry]:
    """Return the entries of a key file: ``name sha256 [requests per second]``, ``#`` for comments.

    Raises
    ------
    KeyFileError
        If a line has another form, a rate is 0, or there is no key at all.
    """
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    entries = [_entry(line, number) for number, line in enumerate(lines, start=1) if line]
    if not entries:
        message = f"the key file holds no key: {MAKE_KEY}"
        raise KeyFileError(message)
    return entries


def is_name(name: str) -> bool:
    """Return whether a line of the key file may begin with this name."""
    return _LINE.fullmatch(f"{name} {'0' * 64}") is not None


def _entry(line: str, number: int) -> KeyEntry:
    found = _LINE.fullmatch(line)
    if found is None or (found["rate"] and not float(found["rate"])):
        message = (
            f"line {number} of the key file is not `name sha256-in-hex [requests per second]`: "
            f"{MAKE_KEY}"
        )
        raise KeyFileError(message)
    rate = float(found["rate"] or math.inf)
    return KeyEntry(found["name"], bytes.fromhex(found["digest"]), rate)
