"""Tests of Google's identity tokens: cached, renewed before expiry and after a 401."""

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
    """Source of tokens that expire after an hour, with a settable clock."""

    def __init__(self) -> None:
        self.now = NOW
        self.audiences: list[str] = []

    def fetch(self, audience: str) -> Token:
        """Return the next token."""
        self.audiences.append(audience)
        return Token(f"token-{len(self.audiences)}", self.now + timedelta(hours=1))

    def auth(self) -> GoogleIdToken:
        """Return the authentication for a client."""
        return GoogleIdToken("https://x.run.app", self.fetch, lambda: self.now)


class CloudRun:
    """Mock service that records tokens and answers 401 to the `refused` ones."""

    def __init__(self, refused: tuple[str, ...] = ()) -> None:
        self.seen: list[str] = []
        self._refused = refused
        self.transport = httpx.MockTransport(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        token = request.headers["authorization"].removeprefix("Bearer ")
        self.seen.append(token)
        return httpx.Response(401 if token in self._refused else 200, json={})


def test_a_token_is_cached_until_shortly_before_its_expiry() -> None:
    """Calls share a token; five minutes before its expiry it is renewed."""
    google, run = Google(), CloudRun()
    with DelayClient("https://x.run.app", auth=google.auth(), transport=run.transport) as client:
        for minutes in (0, 30, 54, 56, 57):
            google.now = NOW + timedelta(minutes=minutes)
            client.model()
    assert run.seen == ["token-1"] * 3 + ["token-2"] * 2
    assert google.audiences == ["https://x.run.app"] * 2


def test_a_refused_token_is_renewed_once() -> None:
    """After a 401 the call is repeated once with a new token."""
    google, run = Google(), CloudRun(refused=("token-1",))
    with DelayClient("https://x.run.app", auth=google.auth(), transport=run.transport) as client:
        client.model()
        client.model()
    assert run.seen == ["token-1", "token-2", "token-2"]


def test_a_second_401_raises() -> None:
    """If the new token is refused too, the 401 is raised."""
    google, run = Google(), CloudRun(refused=("token-1", "token-2"))
    with (
        DelayClient("https://x.run.app", auth=google.auth(), transport=run.transport) as client,
        pytest.raises(ProblemError, match="401"),
    ):
        client.model()
    assert run.seen == ["token-1", "token-2"]


def test_tasks_share_a_token() -> None:
    """Concurrent calls of the asynchronous client fetch one token in a thread."""
    google, run = Google(), CloudRun(refused=("token-1",))

    async def ask() -> None:
        auth = google.auth()
        async with AsyncDelayClient("https://x", auth=auth, transport=run.transport) as client:
            await client.model()
            await asyncio.gather(*(client.model() for _ in range(10)))

    asyncio.run(ask())
    assert run.seen == ["token-1"] + ["token-2"] * 11


def test_gcp_uses_the_services_url_as_audience(monkeypatch: pytest.MonkeyPatch) -> None:
    """`auth="gcp"` fetches a token for the base URL with Google's library."""
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


def test_missing_credentials_raise_an_error_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The error names the ways to get a token."""
    id_token = pytest.importorskip("google.oauth2.id_token")
    exceptions = pytest.importorskip("google.auth.exceptions")

    def fail(_audience: str, request: Any) -> None:
        assert request is not None
        message = "nothing found"
        raise exceptions.DefaultCredentialsError(message)

    monkeypatch.setattr(id_token, "fetch_id_token_credentials", fail)
    with pytest.raises(CredentialsError, match="GOOGLE_APPLICATION_CREDENTIALS"):
        fetch_google_token("https://x")


def test_a_missing_library_raises_an_error_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without google-auth the error names the extra to install."""
    monkeypatch.setitem(sys.modules, "google.oauth2", None)
    with pytest.raises(CredentialsError, match=r"scl-delay-client\[gcp\]"):
        fetch_google_token("https://x")


def test_make_auth_accepts_none_httpx_auth_and_gcp() -> None:
    """None and an `httpx.Auth` are returned unchanged; "gcp" becomes `GoogleIdToken`."""
    basic = httpx.BasicAuth("a", "b")
    assert make_auth(None, "https://x") is None
    assert make_auth(basic, "https://x") is basic
    assert isinstance(make_auth("gcp", "https://x"), GoogleIdToken)
