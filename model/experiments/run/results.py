"""Results that are kept as soon as they are there, so that a run that stops goes on."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Record = dict[str, Any]

KEY_LENGTH = 20


class ResultStore:
    """An append-only file of JSON lines, one for each finished piece of work.

    A line that was cut off when the process was killed is dropped when the file is opened again.

    Parameters
    ----------
    path
        The file; it and its folder are made when the first record comes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._records: dict[str, Record] = {}
        if path.is_file():
            self._read()

    def __len__(self) -> int:
        return len(self._records)

    def get(self, key: str) -> Record | None:
        """Return what is kept under a key, or nothing."""
        return self._records.get(key)

    def add(self, key: str, record: Mapping[str, Any]) -> None:
        """Keep a record: it is on the disk when this returns."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        kept = {"key": key, **record}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(kept, separators=(",", ":")) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._records[key] = kept

    def _read(self) -> None:
        whole = 0
        content = self._path.read_bytes()
        for line in content.splitlines(keepends=True):
            if not line.endswith(b"\n"):
                break
            record = json.loads(line)
            self._records[record["key"]] = record
            whole += len(line)
        if whole < len(content):
            os.truncate(self._path, whole)


def fingerprint(*parts: object) -> str:
    """Short hash of anything whose ``repr`` says all about it."""
    return hashlib.sha256("\n".join(map(repr, parts)).encode()).hexdigest()[:KEY_LENGTH]
