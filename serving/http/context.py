"""What all connections of a process share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from serving.api.auth import ApiKeys
from serving.api.predict import PredictDelay
from serving.http.admission import Admissions, raise_file_limit
from serving.http.responses import HeaderCache
from serving.http.timeouts import IdleConnectionReaper
from serving.settings import Settings


@dataclass(frozen=True)
class ConnectionContext:
    """What all connections of a process share.

    Attributes
    ----------
    predict
        Answers prediction requests; ``None`` where there is no short way.
    keys
        Whom the short way lets in; ``None`` where no key is asked for.
    max_message_bytes
        Longest request on the wire, chunks, their extensions and trailers included.
    read_seconds
        How long a request may take to arrive.
    idle_seconds
        How long a connection is kept between requests.
    admissions
        Decides on new connections.
    """

    predict: PredictDelay | None
    keys: ApiKeys | None
    max_message_bytes: int
    read_seconds: float
    idle_seconds: float
    sweeper: IdleConnectionReaper
    admissions: Admissions
    heads: HeaderCache = field(default_factory=HeaderCache)

    @classmethod
    def of(cls, predict: PredictDelay | None, keys: ApiKeys | None, settings: Settings) -> Self:
        """With the limits of the settings."""
        sweeper = IdleConnectionReaper()
        return cls(
            predict,
            keys,
            max_message_bytes=2 * settings.max_body_bytes,
            read_seconds=settings.read_seconds,
            idle_seconds=settings.idle_seconds,
            sweeper=sweeper,
            admissions=Admissions(sweeper, settings.max_connections, raise_file_limit()),
        )
