"""Options of a client and of a call."""

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
    """Keyword options of every prediction call."""

    explain: bool
    """Whether to return the contributions to each probability; default False."""
    airport_state: AirportState | None
    """Current state of the airport; without it, the schedule alone is used."""
    timeout: float | None
    """Seconds for each step of a request; default: the client's."""


class ManyOptions(CallOptions, total=False):
    """Keyword options of calls with many flights."""

    chunk: int | None
    """Flights per request; default 1,000, or 100 with explanations."""
    concurrency: int
    """Number of concurrent requests; default 4."""
    progress: bool | Report
    """Whether to draw a bar on standard error, or a function of the number of answered flights
    and the total (None if it is not known)."""


@dataclass(frozen=True)
class ClientOptions:
    """Checked options of a client.

    Attributes
    ----------
    url
        URL of the service, without a trailing slash.
    urls
        URL of each route, by its path.
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
        """Check the arguments of a client and build its options.

        Raises
        ------
        ValueError
            If `url` is not a URL.
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
    """Return a URL without its trailing slash.

    Raises
    ------
    ValueError
        If it is not an HTTP URL.
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
