"""Signals and notices of other workers are not lost."""

from __future__ import annotations

import asyncio
import resource
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from serving.models import reload as rollover
from serving.models.reload import ModelReloader


@dataclass
class Loaded:
    """Something that can be put in place."""

    tag: str
    predictor: Any = None

    def close(self) -> None:
        """End it."""


class Holder:
    """Holds what answers."""

    runtime = Loaded("m:1")


def test_a_signal_during_a_roll_over_is_followed_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model registered while another is loaded takes over too: SIGHUP is remembered, once."""
    latest, loads, go_on = ["m:2"], [], threading.Event()

    def load(_self: ModelReloader, _reference: str, before: Loaded) -> Loaded:
        found = latest[0]
        loads.append(found)
        go_on.wait(120)
        return before if found == before.tag else Loaded(found)

    monkeypatch.setattr(ModelReloader, "_load", load)

    async def main() -> None:
        holder = Holder()
        rollover = ModelReloader(holder, lambda tag, _: Loaded(tag), "m:latest", tmp_path)
        rollover._asked()
        while not loads:  # noqa: ASYNC110 - it happens in a thread
            await asyncio.sleep(0.001)
        latest[0] = "m:3"
        for _ in range(5):
            rollover._asked()
        go_on.set()
        async with asyncio.timeout(120):
            while holder.runtime.tag != "m:3" or rollover._tasks:  # noqa: ASYNC110 - see above
                await asyncio.sleep(0.001)

    asyncio.run(main())
    assert loads == ["m:2", "m:3"]


@pytest.mark.parametrize("shortage", [False, True])
def test_what_the_others_serve_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shortage: bool
) -> None:
    """Also what was named before this worker started, or while no file could be opened."""
    monkeypatch.setattr(rollover, "POLL_SECONDS", 0.01)
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
