"""Stop of the service under load."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from tests.faults.conftest import Figure, Truth, port_of, wait_for
from tests.support.http_client import HANGS, AnswerCounts, Callers
from tests.support.server import WORKER_STARTED, Server, running_server

pytestmark = pytest.mark.server

KEPT, ANEW = 16, 48


async def stop_under_load(
    server: Server, bodies: list[bytes]
) -> tuple[AnswerCounts, AnswerCounts, float]:
    """Return the outcomes on kept and on new connections, and the seconds of the stop."""
    port = port_of(server)
    kept = Callers("127.0.0.1", port, bodies[:KEPT])
    anew = Callers("127.0.0.1", port, bodies[KEPT : KEPT + ANEW], anew=True)
    while min(kept.counts.answers[200], anew.counts.answers[200]) <= KEPT + ANEW:  # noqa: ASYNC110 - the counts set no event
        await asyncio.sleep(0.01)
    started = time.monotonic()
    server.process.terminate()
    await asyncio.to_thread(server.process.wait, HANGS)
    took = time.monotonic() - started
    await asyncio.gather(kept.stop(), anew.stop())
    return kept.counts, anew.counts, took


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_a_stop_under_load_loses_no_request(
    registered: str, truth: Truth, figure: Figure, tmp_path: Path, workers: int
) -> None:
    """A stopping service answers every accepted connection, and refuses new ones."""
    with running_server(tmp_path / "log", FLIGHT_DELAY_WORKERS=str(workers)) as server:
        wait_for_serving(server.log, workers)
        kept, anew, took = asyncio.run(stop_under_load(server, truth.bodies))
    answered = kept.answers + anew.answers
    lost = kept.lost + anew.lost + kept.cut + anew.cut
    reset = kept.reset + anew.reset
    figure(
        workers=workers,
        answered=answered[200],
        lost=lost,
        reset=reset,
        refused=anew.refused > 0,
        seconds=round(took, 1),
    )
    assert set(answered) == {200}
    assert answered[200] > KEPT + ANEW
    assert lost == 0, (kept, anew)
    assert kept.last == KEPT, kept
    assert kept.refused > 0, kept
    assert anew.refused > 0, anew
    assert reset == 0, (kept, anew)
    assert took < HANGS
    assert "Traceback" not in server.log.read_text()


def wait_for_serving(log: Path, workers: int) -> None:
    """Wait until all workers have started."""
    wait_for(lambda: log.read_text().count(WORKER_STARTED) == workers)
