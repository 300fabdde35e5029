"""Store finished pieces next to the output, with atomic writes, so that a run can be resumed."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from score.errors import InputError, OutputError

MANIFEST = "manifest.json"
SUFFIX = ".pieces"
_UNFINISHED = ".unfinished"

JsonObject = dict[str, Any]


class Store:
    """Folder with the finished pieces of one output, on disk or in a bucket.

    On disk a file is written under another name and renamed; bucket writes are atomic. A killed
    process therefore never leaves a partial file under its final name.

    Parameters
    ----------
    output
        Path or URL of the output.

    Attributes
    ----------
    path
        Path of the output inside its file system.
    """

    def __init__(self, output: str) -> None:
        self._system, self.path = url_to_fs(output)
        self._folder = self.path + SUFFIX
        self._is_local = isinstance(self._system, LocalFileSystem)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the output for this process; only on disk, because buckets have no locks.

        Raises
        ------
        OutputError
            If another process has the lock, or the folder cannot be written.
        """
        with self._writing():
            self._system.makedirs(self._folder, exist_ok=True)
        if not self._is_local:
            yield
            return
        with self._opened_lock() as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as failure:
                message = f"another run writes {self.path}: wait for it, or stop it."
                raise OutputError(message) from failure
            yield

    @contextmanager
    def cleared_on_failure(self) -> Iterator[None]:
        """Remove the folder after a failure, unless the same command could resume from it.

        After an error of the input it cannot resume, because a corrected input is a new one. On
        a full disk the space is needed.
        """
        try:
            yield
        except BaseException as failure:
            with suppress(OSError):  # report the original failure
                if isinstance(failure, InputError | OutputError) or not self._pieces():
                    self.clear()
            raise

    def begin(self, manifest: JsonObject) -> set[str]:
        """Return the names of the pieces that an earlier run with the same manifest finished.

        Pieces with another manifest are deleted: they belong to another input or model.
        """
        known = self._read_manifest()
        if known != manifest:
            for name in self.names():
                self._system.rm_file(f"{self._folder}/{name}")
            self.write(MANIFEST, json.dumps(manifest, indent=1).encode())
        return self._pieces()

    def names(self) -> list[str]:
        """Return the names of the finished files."""
        self._system.invalidate_cache()
        paths = self._system.ls(self._folder, detail=False) if self._exists(self._folder) else []
        names = sorted(str(path).rstrip("/").rpartition("/")[2] for path in paths)
        return [name for name in names if name != "lock" and not name.endswith(_UNFINISHED)]

    def write(self, name: str, content: bytes) -> None:
        """Write a file of the folder atomically."""
        path = f"{self._folder}/{name}"
        if not self._is_local:
            self._system.pipe_file(path, content)
            return
        with self._writing():
            Path(path + _UNFINISHED).write_bytes(content)
            Path(path + _UNFINISHED).replace(path)

    def read(self, name: str) -> bytes:
        """Read a file of the folder."""
        content: bytes = self._system.cat_file(f"{self._folder}/{name}")
        return content

    @contextmanager
    def output(self, target: str) -> Iterator[IO[bytes]]:
        """Open a file next to the folder; it gets its final name when the block ends."""
        if not self._is_local:
            with self._system.transaction, self._system.open(target, "wb") as stream:
                yield stream
            return
        unfinished = Path(self._folder, Path(target).name + _UNFINISHED)
        with self._writing():
            with unfinished.open("wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            unfinished.replace(target)

    def drop(self, path: str) -> None:
        """Remove a file, if it exists."""
        if self._exists(path):
            self._system.rm_file(path)

    def clear(self) -> None:
        """Remove the folder, manifest first, so that no run resumes from a partial folder."""
        self.drop(f"{self._folder}/{MANIFEST}")
        self._system.rm(self._folder, recursive=True)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Raise write errors as `OutputError`."""
        try:
            yield
        except OSError as failure:
            message = f"{self.path}: cannot be written ({failure.strerror or failure})."
            raise OutputError(message) from failure

    def _opened_lock(self) -> IO[str]:
        try:
            with self._writing():
                return Path(self._folder, "lock").open("w", encoding="utf-8")
        except OutputError:
            with suppress(
                OSError
            ):  # fails if the folder has pieces of an earlier run, which are kept
                Path(self._folder).rmdir()
            raise

    def _pieces(self) -> set[str]:
        return {name for name in self.names() if name.startswith("piece-")}

    def _exists(self, path: str) -> bool:
        return bool(self._system.exists(path))

    def _read_manifest(self) -> JsonObject | None:
        try:
            manifest: JsonObject = json.loads(self.read(MANIFEST))
        except (FileNotFoundError, ValueError):
            return None
        return manifest
