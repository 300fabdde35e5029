"""Who asks: bearer tokens, API keys, and Google's identity tokens for Cloud Run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any, Literal

import httpx

from scl_delay.errors import CredentialsError

Auth = httpx.Auth | Literal["gcp"] | None
"""What a client takes as its `auth`."""

MARGIN = timedelta(minutes=5)
"""A token is renewed this long before it expires: clocks differ, and calls take time."""


class BearerToken(httpx.Auth):
    """Sends ``Authorization: Bearer TOKEN``."""

    def __init__(self, token: str) -> None:
        self._value = f"Bearer {token}"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the header."""
        request.headers["authorization"] = self._value
        yield request


class ApiKey(httpx.Auth):
    """Sends a key in a header of its own.

    Parameters
    ----------
    key
        The key.
    header
        Name of the header.
    """

    def __init__(self, key: str, header: str = "x-api-key") -> None:
        self._key = key
        self._header = header

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the header."""
        request.headers[self._header] = self._key
        yield request


@dataclass(frozen=True)
class Token:
    """A token and when it ends, with its time zone."""

    value: str
    expires: datetime


class GoogleIdToken(httpx.Auth):
    """Sends an identity token of Google's, as Cloud Run asks for; ``auth="gcp"`` makes one.

    The token is kept until shortly before it expires, and renewed once where the service answers
    401. Threads and tasks share it.

    Parameters
    ----------
    audience
        For whom the token is: the address of the service.
    fetch
        Returns a token for an audience; Google's library (the extra ``gcp``) if left out.
    now
        The clock.
    """

    def __init__(
        self,
        audience: str,
        fetch: Callable[[str], Token] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._audience = audience
        self._fetch = fetch or fetch_google_token
        self._now = now
        self._token: Token | None = None
        self._lock = Lock()

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the header; once more with a new token where the first is refused."""
        used = self._current(refused=None)
        request.headers["authorization"] = f"Bearer {used.value}"
        response = yield request
        if response.status_code == httpx.codes.UNAUTHORIZED:
            request.headers["authorization"] = f"Bearer {self._current(refused=used).value}"
            yield request

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Do the same without blocking the event loop while a token is fetched."""
        used = await asyncio.to_thread(self._current, refused=None)
        request.headers["authorization"] = f"Bearer {used.value}"
        response = yield request
        if response.status_code == httpx.codes.UNAUTHORIZED:
            token = await asyncio.to_thread(self._current, refused=used)
            request.headers["authorization"] = f"Bearer {token.value}"
            yield request

    def _current(self, refused: Token | None) -> Token:
        with self._lock:
            token = self._token
            if token is None or token is refused or token.expires - MARGIN <= self._now():
                token = self._token = self._fetch(self._audience)
            return token


def fetch_google_token(audience: str) -> Token:
    """Ask Google's library for an identity token: of a service account, or of the machine.

    Raises
    ------
    CredentialsError
        Where the library is not installed, or finds no credentials that can give such a token.
    """
    try:
        from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415 - an optional package
        from google.auth.transport.requests import Request  # noqa: PLC0415 - likewise
        from google.oauth2 import id_token  # noqa: PLC0415 - likewise
    except ImportError as missing:
        message = "auth='gcp' needs Google's library: pip install 'scl-delay-client[gcp]'"
        raise CredentialsError(message) from missing
    request: Any = Request()
    try:
        credentials: Any = id_token.fetch_id_token_credentials(audience, request=request)  # type: ignore[no-untyped-call] # the library has no types here
        credentials.refresh(request)
    except GoogleAuthError as error:
        message = (
            f"Google gives no identity token for {audience}: {error}. Name a service account's key"
            " in GOOGLE_APPLICATION_CREDENTIALS, or run on Google Cloud; by hand, pass"
            " BearerToken with what `gcloud auth print-identity-token` prints."
        )
        raise CredentialsError(message) from error
    return Token(credentials.token, credentials.expiry.replace(tzinfo=UTC))


def make_auth(auth: httpx.Auth | str | None, url: str) -> httpx.Auth | None:
    """Return what to give to httpx.

    Raises
    ------
    ValueError
        Where it is a text other than ``"gcp"``.
    """
    if auth == "gcp":
        return GoogleIdToken(url)
    if isinstance(auth, str):
        message = f'auth={auth!r}: pass "gcp", BearerToken(...), ApiKey(...) or an httpx.Auth'
        raise ValueError(message)  # noqa: TRY004 - a text is taken, but not this one
    return auth
