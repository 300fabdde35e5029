"""State of the fakes in one folder, and the record of all calls."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FOLDER_VARIABLE = "FAKE_CLOUD"
EMPTY: dict[str, Any] = {
    "buckets": [],
    "generations": {},
    "services": {},
    "builds": {},
    "urls": {},
    "errors": {},
    "unready": [],
    "resources": [],
    "images": {},
    "registry": {},
}

State = dict[str, Any]


class CommandError(Exception):
    """Error message with which a fake command fails, worded like the real one."""


class Cloud:
    """Folder with the state of a fake cloud project.

    Parameters
    ----------
    folder
        Folder of the state; it is created if it does not exist.

    Attributes
    ----------
    objects
        Folder with one file per object, below its bucket's name.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.objects = folder / "objects"
        self.objects.mkdir(parents=True, exist_ok=True)

    @classmethod
    def of_environment(cls) -> Cloud:
        """Open the cloud that the environment variable names."""
        return cls(Path(os.environ[FOLDER_VARIABLE]))

    @contextmanager
    def change(self) -> Iterator[State]:
        """Yield the state for changes, under a lock; it is saved unless an exception is raised."""
        path = self._folder / "state.json"
        with (self._folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            state: State = {**EMPTY, **(json.loads(path.read_text()) if path.exists() else {})}
            yield state
            path.write_text(json.dumps(state, indent=1))

    def read(self) -> State:
        """Return the current state."""
        with self.change() as state:
            return state

    def record(self, tool: str, arguments: Sequence[str]) -> None:
        """Append a call to the record."""
        with (self._folder / "calls.jsonl").open("a") as calls:
            calls.write(json.dumps([tool, *arguments]) + "\n")

    def calls(self, *beginning: str) -> list[list[str]]:
        """Return the calls so far, in order, that begin with these words."""
        path = self._folder / "calls.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        found: list[list[str]] = [json.loads(line) for line in lines]
        return [call for call in found if call[: len(beginning)] == list(beginning)]

    def put(self, url: str, content: bytes) -> None:
        """Write an object with a new generation."""
        path = self.path(url)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        with self.change() as state:
            last = max(state["generations"].values(), default=1000)
            state["generations"][url] = last + 1

    def get(self, url: str) -> bytes | None:
        """Return an object's content, or None if it does not exist."""
        path = self.path(url)
        return path.read_bytes() if path.is_file() else None

    def path(self, url: str) -> Path:
        """Return the file of an object ``gs://bucket/name``."""
        return self.objects / url.removeprefix("gs://")
