"""The watchdog of a worker, beside `tests/faults/test_hung_workers.py`, which runs real workers."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace

from serving.http.watchdog import Watchdog


def test_it_ends_with_the_event_loop() -> None:
    """A process that goes on after its server, as tests do, is not ended by its watchdog."""

    async def run() -> threading.Thread:
        return Watchdog(SimpleNamespace(should_exit=False), 3600.0, 3600.0).start()

    thread = asyncio.run(run())
    thread.join(60)
    assert not thread.is_alive()
