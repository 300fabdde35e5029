"""Authenticate requests: bearer tokens, API keys, Google's identity tokens for Cloud Run."""

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
"""Values that a client accepts as its `auth`."""

MARGIN = timedelta(minutes=5)
"""Time before its expiry at which a token is renewed: clocks differ, and requests take time."""


class BearerToken(httpx.Auth):
    """Authentication that sends ``Authorization: Bearer TOKEN``."""

    def __init__(self, token: str) -> None:
        self._value = f"Bearer {token}"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the header."""
        request.headers["authorization"] = self._value
        yield request


class ApiKey(httpx.Auth):
    """Authentication that sends a key in its own header."""

    def __init__(self, key: str, header: str = "x-api-key") -> None:
        self._key = key
        self._header = header

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the header."""
        request.headers[self._header] = self._key
        yield request


@dataclass(frozen=True)
class Token:
    """Token and its expiry, as a time with a time zone."""

    value: str
    expires: datetime


class GoogleIdToken(httpx.Auth):
    """Authentication with Google's identity token, which Cloud Run needs; same as ``auth="gcp"``.

    The token is cached until shortly before it expires, and renewed once if the service answers
    401. It may be shared between threads and tasks.

    Parameters
    ----------
    audience
        URL of the service that the token is for.
    fetch
        Function from an audience to a token; Google's library (the extra ``gcp``) by default.
    now
        Function that returns the current time.
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
        """Add the header, and repeat the request with a new token after a 401."""
        used = self._current(refused=None)
        request.headers["authorization"] = f"Bearer {used.value}"
        response = yield request
        if response.status_code == httpx.codes.UNAUTHORIZED:
            request.headers["authorization"] = f"Bearer {self._current(refused=used).value}"
            yield request

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Add the header like `sync_auth_flow`; a thread fetches the token."""
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
    """Fetch an identity token of a service account or of the machine with Google's library.

    Raises
    ------
    CredentialsError
        If the library is not installed, or finds no suitable credentials.
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
            f"No identity token for {audience} from Google: {error}. Set"
            " GOOGLE_APPLICATION_CREDENTIALS to a service account's key, or run on Google Cloud;"
            " or pass BearerToken with the output of `gcloud auth print-identity-token`."
        )
        raise CredentialsError(message) from error
    return Token(credentials.token, credentials.expiry.replace(tzinfo=UTC))


def make_auth(auth: httpx.Auth | str | None, url: str) -> httpx.Auth | None:
    """Return the authentication for httpx.

    Raises
    ------
    ValueError
        If it is a string other than ``"gcp"``.
    """
    if auth == "gcp":
        return GoogleIdToken(url)
    if isinstance(auth, str):
        message = f'auth={auth!r}: pass "gcp", BearerToken(...), ApiKey(...) or an httpx.Auth'
        raise ValueError(message)  # noqa: TRY004 - strings are accepted, but not this value
    return auth
