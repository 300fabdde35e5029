"""What a client, and a call, can be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypedDict

import httpx

from scl_delay._bulk.progress import Report
from scl_delay._transport.retries import Retries
from scl_delay._version import __version__
from scl_delay.models import AirportState

PREDICT, MODEL, READY = "/predict_delay", "/model", "/readyz"

_HEADERS = {
    "accept": "application/json",
    "content-type": "application/json",
    "user-agent": f"scl-delay-client/{__version__}",
}


class CallOptions(TypedDict, total=False):
    """What one call can be told, all of it by name."""

    explain: bool
    """Whether to tell what each probability is made of; no if left out."""
    airport_state: AirportState | None
    """The airport now; left out, flights are scored from the schedule alone."""
    timeout: float | None
    """Seconds for each step of a request; the client's if left out."""


class ManyOptions(CallOptions, total=False):
    """What a call with many flights can be told besides."""

    chunk: int | None
    """Flights of one request; 1,000, or 100 where they are explained, if left out."""
    concurrency: int
    """Requests under way at once; 4 if left out."""
    progress: bool | Report
    """Whether to draw a bar on standard error, or what to call with how many are answered, and
    how many there are (None where that is not known)."""


@dataclass(frozen=True)
class ClientOptions:
    """What a client was told, ready for use.

    Attributes
    ----------
    url
        Address of the service, without a slash at its end.
    urls
        That of each route.
    """

    url: str
    urls: Mapping[str, httpx.URL]
    timeout: float
    retries: Retries
    headers: httpx.Headers

    @classmethod
    def make(
        cls, url: str, timeout: float, retries: Retries | int, headers: Mapping[str, str] | None
    ) -> ClientOptions:
        """Check and prepare.

        Raises
        ------
        ValueError
            Where `url` is no address.
        """
        base = checked_url(url)
        return cls(
            url=base,
            urls={path: httpx.URL(base + path) for path in (PREDICT, MODEL, READY)},
            timeout=timeout,
            retries=Retries(most=retries) if isinstance(retries, int) else retries,
            headers=httpx.Headers({**_HEADERS, **(headers or {})}),
        )


def checked_url(url: str) -> str:
    """Return an address without a slash at its end.

    Raises
    ------
    ValueError
        Where it is none.
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        message = f"{url!r} is not an address: {error}"
        raise ValueError(message) from error
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        message = f"{url!r} is not an address: write it like http://localhost:3000"
        raise ValueError(message)
    return str(parsed).rstrip("/")
