"""Authentication of clients by optional API keys, each with a rate limit.

    python -m serving.api.auth NAME        makes a key and its line of the key file

For services without a gateway that authenticates clients. Keys are long and random, so one round
of SHA-256 protects them; the slow hashes that passwords need would let anyone load the service by
sending wrong keys.
"""

from __future__ import annotations

import hashlib
import math
import secrets
import sys
from collections.abc import Awaitable, Callable, Iterable
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar

from serving import key_file
from serving.errors import Forbidden, RateLimited, Unauthorized

if TYPE_CHECKING:
    from serving.api.asgi import Scope

API_KEY = b"x-api-key"
AUTHORIZATION = b"authorization"
SCHEME = b"bearer "
CHALLENGE = (b"www-authenticate", b'Bearer realm="flight delays"')
LONGEST_KEY = 256
"""Bytes; a longer key is refused without hashing it."""

Answer = TypeVar("Answer")


class TokenBucket:
    """Rate limit of one key in one worker.

    Parameters
    ----------
    rate
        Requests per second, and as many (at least one) at once. Not divided by the number of
        workers: a connection stays with one worker, so a client with one connection would get a
        fraction of its rate.
    """

    __slots__ = ("_at", "_tokens", "rate")

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._tokens = max(rate, 1.0)
        self._at = 0.0

    def acquire(self, now: float) -> float:
        """Use one token; return 0, or the seconds until there is one where there is none."""
        if math.isinf(self.rate):
            return 0.0
        self._tokens = min(max(self.rate, 1.0), self._tokens + (now - self._at) * self.rate)
        self._at = now
        if self._tokens < 1:
            return (1 - self._tokens) / self.rate
        self._tokens -= 1
        return 0.0


class ApiKey(NamedTuple):
    """Accepted key: the name of its client, and the rate limit of this key."""

    name: str
    bucket: TokenBucket


class ApiKeys:
    """Accepted keys of a service.

    Parameters
    ----------
    keys
        By their SHA-256.
    workers
        Number of worker processes; the detail of a 429 says that the rate holds for each of them.
    clock
        Returns seconds that never decrease.
    """

    def __init__(
        self, keys: dict[bytes, ApiKey], workers: int = 1, clock: Callable[[], float] = monotonic
    ) -> None:
        self._keys = keys
        self._scope = f" on each of the {workers} workers" if workers > 1 else ""
        self._clock = clock

    @classmethod
    def parse(cls, text: str, workers: int = 1) -> Self:
        """Return the keys of a key file; see `serving.key_file.parse` for its form and errors."""
        entries = key_file.parse(text)
        return cls(
            {each.digest: ApiKey(each.name, TokenBucket(each.rate)) for each in entries}, workers
        )

    def authenticate(self, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """Return the name of the client that sends a request with these headers.

        Raises
        ------
        Unauthorized
            If there is no key.
        Forbidden
            If the key is not accepted.
        RateLimited
            If the key exceeds its rate; `Retry-After` gives the seconds to wait.
        """
        sent = next((value for name, value in headers if name == API_KEY), None)
        if sent is None:
            sent = bearer_token(headers)
        if sent is None:
            detail = "Send a key: X-API-Key: <key>, or Authorization: Bearer <key>."
            raise Unauthorized(detail, headers=(CHALLENGE,))
        key = None
        if len(sent) <= LONGEST_KEY:
            key = self._keys.get(hashlib.sha256(sent).digest())
        if key is None:
            raise Forbidden("This key is not accepted: it may be mistyped or withdrawn.")  # noqa: EM101, TRY003
        wait = key.bucket.acquire(self._clock())
        if wait:
            detail = f"This key allows {key.bucket.rate:g} requests a second{self._scope}."
            after = str(math.ceil(wait)).encode()
            raise RateLimited(detail, headers=((b"retry-after", after),))
        return key.name


def require_key(
    handler: Callable[..., Awaitable[Answer]], keys: ApiKeys
) -> Callable[..., Awaitable[Answer]]:
    """Return a handler that answers requests with an accepted key and raises for all others."""

    async def authenticated(scope: Scope, receive: object) -> Answer:
        keys.authenticate(scope["headers"])
        return await handler(scope, receive)

    return authenticated


def bearer_token(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """Return the token of `Authorization: Bearer <token>` (RFC 6750).

    There is none with another scheme, or with several `Authorization` headers: which of them
    counts would be a guess.
    """
    values = [value for name, value in headers if name == AUTHORIZATION]
    if len(values) == 1 and values[0][: len(SCHEME)].lower() == SCHEME:
        return values[0][len(SCHEME) :].strip()
    return None


def digest(key: str) -> str:
    """Return the SHA-256 of a key in hexadecimal digits, as the key file holds it."""
    return hashlib.sha256(key.encode()).hexdigest()


def main(arguments: list[str]) -> None:
    """Make a key; print it, and its line of the key file."""
    if len(arguments) != 1 or not key_file.is_name(arguments[0]):
        raise SystemExit("usage: python -m serving.api.auth NAME   (letters, digits, . _ -)")  # noqa: EM101, TRY003
    key = secrets.token_urlsafe(32)
    sys.stdout.write(f"key for the client:     {key}\n")
    sys.stdout.write(f"line of the key file:   {arguments[0]} {digest(key)} 50\n")


if __name__ == "__main__":
    main(sys.argv[1:])
