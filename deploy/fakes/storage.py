"""Fake of Cloud Storage: objects are files, each with a generation that changes on write."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deploy.fakes.cloud import CommandError

BUCKET = "gs://"
CONDITION = "--if-generation-match"


def buckets_create(call: Any) -> Any:
    """Create a bucket that does not exist yet."""
    with call.cloud.change() as state:
        if call.arguments[0] in state["buckets"]:
            message = "HTTPError 409: Your previous request to create the named bucket succeeded"
            raise CommandError(message)
        state["buckets"].append(call.arguments[0])


def buckets_describe(call: Any) -> Any:
    """Return a bucket that exists."""
    _require_bucket(call, call.arguments[0])
    return {"name": call.arguments[0].removeprefix(BUCKET)}


def copy(call: Any) -> Any:
    """Copy into a bucket or out of it; ``-`` is standard input."""
    *sources, target = call.arguments
    for source in sources:
        content = _read(call, source)
        folder = target.endswith("/") or Path(target).is_dir()
        name = source.rsplit("/")[-1]
        _write(call, f"{target.removesuffix('/')}/{name}" if folder else target, content)


def cat(call: Any) -> Any:
    """Return an object's content; with ``#generation``, only of that generation."""
    return _read(call, call.arguments[0])


def list_objects(call: Any) -> Any:
    """Return the name of an object that exists."""
    _read(call, call.arguments[0])
    return call.arguments[0]


def remove(call: Any) -> Any:
    """Remove an object if the generation condition holds."""
    url = call.arguments[0]
    _read(call, url)
    _require_generation(call, url)
    with call.cloud.change() as state:
        del state["generations"][url]
    call.cloud.path(url).unlink()


def describe(call: Any) -> Any:
    """Return the generation of an object."""
    _read(call, call.arguments[0])
    return {"generation": call.cloud.read()["generations"][call.arguments[0]]}


def _read(call: Any, source: str) -> bytes:
    if source == "-":
        return sys.stdin.buffer.read()
    if not source.startswith(BUCKET):
        return Path(source).read_bytes()
    url, _, generation = source.partition("#")
    _require_bucket(call, url)
    content: bytes | None = call.cloud.get(url)
    stale = generation and generation != str(call.cloud.read()["generations"].get(url))
    if content is None or stale:
        message = f"One or more URLs matched no objects: {source}"
        raise CommandError(message)
    return content


def _write(call: Any, target: str, content: bytes) -> None:
    if not target.startswith(BUCKET):
        Path(target).write_bytes(content)
        return
    _require_bucket(call, target)
    _require_generation(call, target)
    call.cloud.put(target, content)


def _require_generation(call: Any, url: str) -> None:
    """Check the generation condition; 0 means that the object must not exist."""
    wanted = call.flags.get(CONDITION)
    found = call.cloud.read()["generations"].get(url, 0)
    if wanted is not None and wanted != str(found):
        message = "HTTPError 412: At least one of the pre-conditions you specified did not hold."
        raise CommandError(message)


def _require_bucket(call: Any, url: str) -> None:
    bucket = "/".join(url.split("/")[:3])
    if bucket not in call.cloud.read()["buckets"]:
        message = f"{bucket} not found: 404."
        raise CommandError(message)


HANDLERS: dict[str, Callable[[Any], Any]] = {
    "storage buckets create": buckets_create,
    "storage buckets describe": buckets_describe,
    "storage cp": copy,
    "storage cat": cat,
    "storage ls": list_objects,
    "storage rm": remove,
    "storage objects describe": describe,
}
