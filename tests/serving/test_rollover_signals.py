"""A signal that comes while a model is being loaded is not lost."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from serving.rollover import Rollover


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

    def load(_self: Rollover, _reference: str, before: Loaded) -> Loaded:
        found = latest[0]
        loads.append(found)
        go_on.wait(120)
        return before if found == before.tag else Loaded(found)

    monkeypatch.setattr(Rollover, "_load", load)

    async def main() -> None:
        holder = Holder()
        rollover = Rollover(holder, lambda tag, _: Loaded(tag), "m:latest", tmp_path / "notice")
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
