"""Google's identity tokens: fetched once, kept, renewed in time, and again where refused."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from scl_delay import AsyncDelayClient, CredentialsError, DelayClient, GoogleIdToken, ProblemError
from scl_delay._transport.auth import Token, fetch_google_token, make_auth

NOW = datetime(2017, 7, 14, 8, 0, tzinfo=UTC)


class Google:
    """Stands for Google: gives tokens of an hour, counts them, and has a clock."""

    def __init__(self) -> None:
        self.now = NOW
        self.audiences: list[str] = []

    def fetch(self, audience: str) -> Token:
        """Give the next token."""
        self.audiences.append(audience)
        return Token(f"token-{len(self.audiences)}", self.now + timedelta(hours=1))

    def auth(self) -> GoogleIdToken:
        """What a client takes."""
        return GoogleIdToken("https://x.run.app", self.fetch, lambda: self.now)


class CloudRun:
    """Notes the tokens that come; refuses those it is told to."""

    def __init__(self, refused: tuple[str, ...] = ()) -> None:
        self.seen: list[str] = []
        self._refused = refused
        self.transport = httpx.MockTransport(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        token = request.headers["authorization"].removeprefix("Bearer ")
        self.seen.append(token)
        return httpx.Response(401 if token in self._refused else 200, json={})


def test_a_token_is_kept_until_shortly_before_its_end() -> None:
    """Calls share a token; five minutes before it ends there is a new one."""
    google, run = Google(), CloudRun()
    with DelayClient("https://x.run.app", auth=google.auth(), transport=run.transport) as client:
        for minutes in (0, 30, 54, 56, 57):
            google.now = NOW + timedelta(minutes=minutes)
            client.model()
    assert run.seen == ["token-1"] * 3 + ["token-2"] * 2
    assert google.audiences == ["https://x.run.app"] * 2


def test_a_refused_token_is_renewed_once() -> None:
    """After a 401 the call is made once more with a new token."""
    google, run = Google(), CloudRun(refused=("token-1",))
    with DelayClient("https://x.run.app", auth=google.auth(), transport=run.transport) as client:
        client.model()
        client.model()
    assert run.seen == ["token-1", "token-2", "token-2"]


def test_a_caller_without_rights_is_told() -> None:
    """Where the new token is refused too, the 401 is the answer."""
    google, run = Google(), CloudRun(refused=("token-1", "token-2"))
    with (
        DelayClient("https://x.run.app", auth=google.auth(), transport=run.transport) as client,
        pytest.raises(ProblemError, match="401"),
    ):
        client.model()
    assert run.seen == ["token-1", "token-2"]


def test_tasks_share_a_token() -> None:
    """Concurrent calls of the asynchronous client fetch one token, off the event loop."""
    google, run = Google(), CloudRun(refused=("token-1",))

    async def ask() -> None:
        auth = google.auth()
        async with AsyncDelayClient("https://x", auth=auth, transport=run.transport) as client:
            await client.model()
            await asyncio.gather(*(client.model() for _ in range(10)))

    asyncio.run(ask())
    assert run.seen == ["token-1"] + ["token-2"] * 11


def test_gcp_asks_for_the_services_own_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """`auth="gcp"` takes the base URL for the audience, and Google's library for the token."""
    id_token = pytest.importorskip("google.oauth2.id_token")
    asked: list[str] = []

    class Credentials:
        token = "from-google"  # noqa: S105 - not a secret
        expiry = datetime(2999, 1, 1)  # noqa: DTZ001 - Google's library leaves the zone out

        def refresh(self, _request: Any) -> None:
            asked.append("refresh")

    def fetch(audience: str, request: Any) -> Credentials:
        assert request is not None
        asked.append(audience)
        return Credentials()

    monkeypatch.setattr(id_token, "fetch_id_token_credentials", fetch)
    run = CloudRun()
    with DelayClient("https://x.run.app/", auth="gcp", transport=run.transport) as client:
        client.model()
        client.model()
    assert run.seen == ["from-google", "from-google"]
    assert asked == ["https://x.run.app", "refresh"]


def test_no_credentials_are_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Google gives no token, the error names the ways to get one."""
    id_token = pytest.importorskip("google.oauth2.id_token")
    exceptions = pytest.importorskip("google.auth.exceptions")

    def fail(_audience: str, request: Any) -> None:
        assert request is not None
        message = "nothing found"
        raise exceptions.DefaultCredentialsError(message)

    monkeypatch.setattr(id_token, "fetch_id_token_credentials", fail)
    with pytest.raises(CredentialsError, match="GOOGLE_APPLICATION_CREDENTIALS"):
        fetch_google_token("https://x")


def test_a_missing_library_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without google-auth the error names the extra."""
    monkeypatch.setitem(sys.modules, "google.oauth2", None)
    with pytest.raises(CredentialsError, match=r"scl-delay-client\[gcp\]"):
        fetch_google_token("https://x")


def test_gcp_is_the_only_word() -> None:
    """Nothing, an httpx.Auth, and "gcp" are ways to authenticate."""
    basic = httpx.BasicAuth("a", "b")
    assert make_auth(None, "https://x") is None
    assert make_auth(basic, "https://x") is basic
    assert isinstance(make_auth("gcp", "https://x"), GoogleIdToken)
