"""Optional API keys: who may ask for predictions, and how often. Off where no keys are set.

    python -m serving.api.auth NAME        makes a key, and the line of the key file that accepts it

For those who do not run behind a gateway that knows its callers. Keys are random and long, so one
round of SHA-256 hides them: slow hashes protect what people can remember, and would let anybody
keep the service busy.
"""

from __future__ import annotations

import hashlib
import math
import re
import secrets
import sys
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Self, TypeVar

from serving.errors import Forbidden, RateLimited, Unauthorized

if TYPE_CHECKING:
    from serving.api.asgi import Scope

HEADER = b"x-api-key"
BEARER = b"bearer "
CHALLENGE = (b"www-authenticate", b'Bearer realm="flight delays"')
LONGEST_KEY = 256
"""Characters; what is longer is refused before it is hashed."""

_LINE = re.compile(
    r"(?P<name>[A-Za-z0-9._-]{1,64})\s+(?P<digest>[0-9a-f]{64})(\s+(?P<rate>[0-9]+(\.[0-9]+)?))?"
)

Answer = TypeVar("Answer")


class KeyFileError(ValueError):
    """A line of the key file cannot be read; the text says which and what is expected."""


@dataclass(slots=True)
class ApiKey:
    """Who holds a key, and what is left of its allowance: a token bucket.

    Attributes
    ----------
    rate
        Requests per second that each worker accepts, and as many (at least one) at once. Not
        divided by the number of workers: a connection stays with one worker, so that a caller
        with one connection would get a fraction of its rate.
    """

    name: str
    rate: float = math.inf
    left: float = math.inf
    at: float = 0.0

    def take(self, now: float) -> float:
        """Take one request; return how many seconds to wait, 0 where it may go on."""
        if math.isinf(self.rate):
            return 0.0
        full = max(self.rate, 1.0)
        self.left = min(full, self.left + (now - self.at) * self.rate)
        self.at = now
        if self.left < 1:
            return (1 - self.left) / self.rate
        self.left -= 1
        return 0.0


class ApiKeys:
    """The accepted keys.

    Parameters
    ----------
    callers
        By the SHA-256 of their keys.
    workers
        Of the service; where there are several, a caller that exceeds its rate is told that it
        holds for each.
    clock
        Seconds that never go back.
    """

    def __init__(
        self,
        callers: dict[bytes, ApiKey],
        workers: int = 1,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._callers = callers
        self._scope = f" on each of the {workers} workers" if workers > 1 else ""
        self._clock = clock

    @classmethod
    def parse(cls, text: str, workers: int = 1) -> Self:
        """Read a key file: ``name sha256 [requests per second]`` a line, ``#`` for remarks.

        The rate holds for each worker; see `ApiKey`.

        Several lines may have the same name: while a key is replaced, both are accepted.

        Raises
        ------
        KeyFileError
            If a line has another form, a rate is 0, or there is no key at all.
        """
        callers: dict[bytes, ApiKey] = {}
        for number, line in enumerate(text.splitlines(), start=1):
            if written := line.partition("#")[0].strip():
                digest, caller = _read(written, number)
                callers[digest] = caller
        if not callers:
            message = "the key file holds no key: make one with  python -m serving.api.auth NAME"
            raise KeyFileError(message)
        return cls(callers, workers)

    def admit(self, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """Return the name of who sends a request with these headers.

        Raises
        ------
        Unauthorized
            If it shows no key.
        Forbidden
            If the key is not accepted.
        TooMany
            If the key's allowance is used up; `Retry-After` says for how long.
        """
        shown = _shown(headers)
        if shown is None:
            detail = "Send a key: X-API-Key: <key>, or Authorization: Bearer <key>."
            raise Unauthorized(detail, headers=(CHALLENGE,))
        caller = None
        if len(shown) <= LONGEST_KEY:
            caller = self._callers.get(hashlib.sha256(shown).digest())
        if caller is None:
            raise Forbidden("This key is not accepted: it may be mistyped or withdrawn.")  # noqa: EM101, TRY003
        wait = caller.take(self._clock())
        if wait:
            detail = f"This key allows {caller.rate:g} requests a second{self._scope}."
            after = str(math.ceil(wait)).encode()
            raise RateLimited(detail, headers=((b"retry-after", after),))
        return caller.name


def guarded(
    handler: Callable[..., Awaitable[Answer]], keys: ApiKeys
) -> Callable[..., Awaitable[Answer]]:
    """Let a handler see only requests with an accepted key."""

    async def admitted(scope: Scope, receive: object) -> Answer:
        keys.admit(scope["headers"])
        return await handler(scope, receive)

    return admitted


def digest(key: str) -> str:
    """Return what the key file holds of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def _shown(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """The key that a request shows, `X-API-Key` before `Authorization`."""
    bearer = None
    for name, value in headers:
        if name == HEADER:
            return value
        if name == b"authorization" and value[: len(BEARER)].lower() == BEARER:
            bearer = value[len(BEARER) :].strip()
    return bearer


def _read(line: str, number: int) -> tuple[bytes, ApiKey]:
    found = _LINE.fullmatch(line)
    if found is None or (found["rate"] and not float(found["rate"])):
        message = (
            f"line {number} of the key file is not `name sha256-in-hex [requests per second]`: "
            "make one with  python -m serving.api.auth NAME"
        )
        raise KeyFileError(message)
    rate = float(found["rate"] or math.inf)
    caller = ApiKey(found["name"], rate, left=max(rate, 1.0))
    return bytes.fromhex(found["digest"]), caller


def main(arguments: list[str]) -> None:
    """Make a key, and print it with its line of the key file."""
    if len(arguments) != 1 or not _LINE.fullmatch(f"{arguments[0]} {'0' * 64}"):
        raise SystemExit("usage: python -m serving.api.auth NAME   (letters, digits, . _ -)")  # noqa: EM101, TRY003
    key = secrets.token_urlsafe(32)
    sys.stdout.write(f"the key, for its holder:     {key}\n")
    sys.stdout.write(f"the line, for the key file:  {arguments[0]} {digest(key)} 50\n")


if __name__ == "__main__":
    main(sys.argv[1:])
