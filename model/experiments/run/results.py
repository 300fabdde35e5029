"""Store results as soon as they are computed, so that a stopped run can continue."""

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
    """Append-only file of JSON lines, one for each finished piece of work.

    An incomplete last line of a killed process is removed when the file is opened again.

    Parameters
    ----------
    path
        The file; it and its folder are created with the first record.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._records: dict[str, Record] = {}
        if path.is_file():
            self._read()

    def __len__(self) -> int:
        return len(self._records)

    def get(self, key: str) -> Record | None:
        """Return the record of a key, or ``None``."""
        return self._records.get(key)

    def add(self, key: str, record: Mapping[str, Any]) -> None:
        """Add a record; it is on the disk when this returns."""
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
    """Return a short hash of values whose ``repr`` is complete."""
    return hashlib.sha256("\n".join(map(repr, parts)).encode()).hexdigest()[:KEY_LENGTH]
