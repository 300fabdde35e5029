"""Who is let in on the short way, and what the log says of it: as on the way through ASGI."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from model.inference.predictor import Predictor
from serving.api.auth import digest
from serving.models.loaded import Runtime
from serving.settings import Settings
from tests.support.sockets import Server, ask, request, serving
from tests.support.sockets import runtime as runtime  # noqa: PLC0414 - a fixture
from tests.support.sockets import shortened as shortened  # noqa: PLC0414 - a fixture

KEY, SLOW = "key of the board", "key of the slow one"
LONG_WAY = "connection: Keep-Alive\r\n"
"""A header that means nothing and is unusual."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A key file."""
    made = tmp_path / "keys"
    made.write_text(f"board {digest(KEY)}\nslow {digest(SLOW)} 1\n")
    return made


def run(test: Callable[[Server], Awaitable[None]], runtime: Runtime, file: Path | None) -> None:
    """Run a test against a server, with keys where there is a file."""

    async def main() -> None:
        async with serving(runtime, Settings(api_keys_file=file)) as server:
            await asyncio.wait_for(test(server), 120)

    asyncio.run(main())


async def told(port: int, headers: str) -> tuple[int, dict[str, str], Any]:
    """An answer but for what no two answers share."""
    [(status, said, body)] = await ask(port, request(headers=headers))
    for name in ("date", "x-request-id"):
        said.pop(name)
    return status, said, body


@pytest.mark.parametrize(
    ("shown", "status"),
    [
        ("", 401),
        ("authorization: Basic abc\r\n", 401),
        ("x-api-key: wrong\r\n", 403),
        (f"authorization: Bearer {KEY}x\r\n", 403),
        (f"x-api-key: {KEY}\r\n", 200),
        (f"x-api-key:  {KEY} \t\r\n", 200),
        (f"authorization: Bearer {KEY}\r\n", 200),
        (f"x-api-key: {SLOW}\r\n", 200),
    ],
)
def test_keys_hold_on_both_ways(
    runtime: Runtime, shortened: list[bytes], file: Path, shown: str, status: int
) -> None:
    """Whatever key is shown, both ways give the same answer; only who is let in costs work."""

    async def test(server: Server) -> None:
        short = await told(server.port, shown)
        assert short[0] == status
        assert len(shortened) == (status == 200)
        if SLOW in shown:
            await asyncio.sleep(1.1)
        assert short == await told(server.port, shown + LONG_WAY)
        assert len(shortened) == (status == 200)

    run(test, runtime, file)


def test_both_ways_share_one_allowance(runtime: Runtime, file: Path) -> None:
    """What a key has used up on one way it does not have on the other."""
    file.write_text(f"slow {digest(SLOW)} 0.001\n")  # no busy machine takes that long

    async def test(server: Server) -> None:
        shown = f"x-api-key: {SLOW}\r\n"
        assert (await told(server.port, shown + LONG_WAY))[0] == 200
        refusals = [await told(server.port, shown), await told(server.port, shown + LONG_WAY)]
        assert [status for status, _, _ in refusals] == [429, 429]
        waits = [int(headers.pop("retry-after")) for _, headers, _ in refusals]
        assert all(1 < wait <= 1_000 for wait in waits)
        assert refusals[0] == refusals[1]

    run(test, runtime, file)


@pytest.mark.parametrize("way", ["", LONG_WAY])
@pytest.mark.parametrize("name", ["x-request-id: it-is-me\r\n", ""])
def test_a_failure_is_logged_under_the_name_in_its_answer(
    runtime: Runtime,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    way: str,
    name: str,
) -> None:
    """The line of a failed request names it as its answer does, on both ways."""

    def fail(*_: object) -> list[float]:
        raise ValueError

    monkeypatch.setattr(Predictor, "score", fail)

    async def test(server: Server) -> None:
        with caplog.at_level(logging.ERROR, "flight_delay"):
            [(status, said, _)] = await ask(server.port, request(headers=way + name))
        [line] = [each for each in caplog.records if each.getMessage() == "request failed"]
        assert status == 500
        assert line.__dict__["request"] == said["x-request-id"]
        assert not name or said["x-request-id"] == "it-is-me"

    run(test, runtime, None)
