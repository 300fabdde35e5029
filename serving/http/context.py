"""Limits and state that all connections of a process share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from serving.api.auth import ApiKeys
from serving.api.predict import PredictDelay
from serving.http.admission import AdmissionControl, raise_file_limit
from serving.http.responses import HeaderCache
from serving.http.timeouts import IdleConnectionReaper
from serving.settings import Settings


@dataclass(frozen=True)
class ConnectionContext:
    """Limits and state that all connections of a process share.

    Attributes
    ----------
    predict
        Answers prediction requests; ``None`` where there is no fast path.
    keys
        Keys accepted on the fast path; ``None`` where no key is required.
    max_message_bytes
        Longest request on the wire, chunks, their extensions and trailers included.
    read_seconds
        Longest time for a request to arrive.
    idle_seconds
        Longest time of a connection between requests.
    reaper
        Closes connections whose time is over.
    admissions
        Accepts or refuses new connections.
    heads
        Heads of responses on the fast path.
    """

    predict: PredictDelay | None
    keys: ApiKeys | None
    max_message_bytes: int
    read_seconds: float
    idle_seconds: float
    reaper: IdleConnectionReaper
    admissions: AdmissionControl
    heads: HeaderCache = field(default_factory=HeaderCache)

    @classmethod
    def of(cls, predict: PredictDelay | None, keys: ApiKeys | None, settings: Settings) -> Self:
        """Return a context with the limits of the settings."""
        reaper = IdleConnectionReaper()
        return cls(
            predict,
            keys,
            max_message_bytes=2 * settings.max_body_bytes,
            read_seconds=settings.read_seconds,
            idle_seconds=settings.idle_seconds,
            reaper=reaper,
            admissions=AdmissionControl(reaper, settings.max_connections, raise_file_limit()),
        )
