"""Signals and reload markers are not lost."""

from __future__ import annotations

import asyncio
import resource
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from serving import metrics
from serving.models import reload
from serving.models.reload import ModelReloader


@dataclass
class Loaded:
    """Stand-in for a loaded model."""

    tag: str
    predictor: Any = None
    waiting: int = 0

    def close(self) -> None:
        """Do nothing."""


class Holder:
    """Holder of the served model."""

    runtime = Loaded("m:1")


def test_a_signal_during_a_reload_causes_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model registered during a reload is loaded next; several SIGHUP cause one reload."""
    latest, loads, go_on = ["m:2"], [], threading.Event()

    def load(_self: ModelReloader, _reference: str, before: Loaded) -> Loaded:
        found = latest[0]
        loads.append(found)
        go_on.wait(120)
        return before if found == before.tag else Loaded(found)

    monkeypatch.setattr(ModelReloader, "_load", load)

    async def main() -> None:
        holder = Holder()
        reloader = ModelReloader(holder, lambda tag, _: Loaded(tag), "m:latest", tmp_path)
        reloader._on_signal()
        while not loads:  # noqa: ASYNC110 - it happens in a thread
            await asyncio.sleep(0.001)
        latest[0] = "m:3"
        for _ in range(5):
            reloader._on_signal()
        go_on.set()
        async with asyncio.timeout(120):
            while holder.runtime.tag != "m:3" or reloader._tasks:  # noqa: ASYNC110 - see above
                await asyncio.sleep(0.001)

    asyncio.run(main())
    assert loads == ["m:2", "m:3"]


@pytest.mark.parametrize("shortage", [False, True])
def test_the_reload_marker_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shortage: bool
) -> None:
    """It is followed if written before this worker started or while no file could be opened."""
    monkeypatch.setattr(reload, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(metrics.buffer, "queue", int)  # restored at the end: `start` replaces it
    monkeypatch.setattr(ModelReloader, "_load", lambda _self, tag, _before: Loaded(tag))
    (tmp_path / "tag").write_text("m:2")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def main() -> None:
        holder = Holder()
        following = ModelReloader(holder, lambda tag, _: Loaded(tag), "m:latest", tmp_path)
        if shortage:
            resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
        following.start()
        await asyncio.sleep(0.2)
        assert holder.runtime.tag == ("m:1" if shortage else "m:2")
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        async with asyncio.timeout(10):
            while holder.runtime.tag != "m:2":  # noqa: ASYNC110 - the file announces nothing
                await asyncio.sleep(0.001)

    try:
        asyncio.run(main())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
