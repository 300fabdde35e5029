"""Tests that the server agrees with plain uvicorn, apart from stated rules."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from serving.http.protocol import FastPathProtocol
from serving.models.loaded import Runtime
from tests.fuzz.raw_http import fuzz
from tests.fuzz.raw_http_grammar import LAST, RawRequest
from tests.support.sockets import runtime as runtime  # noqa: PLC0414 - a fixture

CONNECTIONS = 300
SEED = 20171231


def test_the_server_agrees_with_plain_uvicorn(runtime: Runtime) -> None:
    """Hundreds of connections with generated requests get the answers of plain uvicorn."""
    outcome = asyncio.run(fuzz(runtime, CONNECTIONS, SEED))
    assert outcome.inputs == CONNECTIONS
    assert not outcome.disagreements, "\n".join(map(str, outcome.disagreements[:10]))
    # the requests cover valid and invalid HTTP
    assert all(outcome.statuses[status] > CONNECTIONS / 50 for status in (200, 400, 404, 405, 422))


def test_a_server_that_loses_bytes_is_found(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison finds a protocol that changes the airline of a flight."""
    received = FastPathProtocol.data_received

    def careless(self: Any, data: bytes) -> None:
        received(self, data.replace(b"LAN", b"XXX"))

    monkeypatch.setattr(FastPathProtocol, "data_received", careless)
    assert asyncio.run(fuzz(runtime, CONNECTIONS, SEED)).disagreements


def test_a_rule_that_is_broken_is_found(runtime: Runtime) -> None:
    """The comparison finds a server that breaks a stated rule."""
    kept = LAST.replace(b"close", b"keep-alive")
    wrong = RawRequest(kept, kept, statuses=(431,), stays=True)
    outcome = asyncio.run(fuzz(runtime, 100, SEED, [wrong]))
    assert outcome.disagreements
    assert all("431" in each.difference for each in outcome.disagreements)


def test_a_server_that_hangs_is_found(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection without an answer is reported with its bytes after the time limit."""
    monkeypatch.setattr("tests.fuzz.raw_http.SECONDS", 1.0)
    unfinished = RawRequest(LAST[:-2], b"", statuses=(400,))
    outcome = asyncio.run(fuzz(runtime, 100, SEED, [unfinished]))
    assert any(LAST[:-2] in each.body for each in outcome.disagreements)
