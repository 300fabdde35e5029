"""What all connections of a process share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from serving.answers import Heads
from serving.keys import Keys
from serving.predict import PredictDelay
from serving.settings import Settings
from serving.sweeper import Sweeper


@dataclass(frozen=True)
class House:
    """What all connections of a process share.

    Attributes
    ----------
    predict
        Answers prediction requests; ``None`` where there is no short way.
    keys
        Whom the short way lets in; ``None`` where no key is asked for.
    max_message_bytes
        Longest request on the wire, chunks, their extensions and trailers included.
    max_connections
        Those beyond are told so and closed.
    read_seconds
        How long a request may take to arrive.
    idle_seconds
        How long a connection is kept between requests.
    """

    predict: PredictDelay | None
    keys: Keys | None
    max_message_bytes: int
    max_connections: int
    read_seconds: float
    idle_seconds: float
    sweeper: Sweeper = field(default_factory=Sweeper)
    heads: Heads = field(default_factory=Heads)

    @classmethod
    def of(cls, predict: PredictDelay | None, keys: Keys | None, settings: Settings) -> Self:
        """With the limits of the settings."""
        return cls(
            predict,
            keys,
            max_message_bytes=2 * settings.max_body_bytes,
            max_connections=settings.max_connections,
            read_seconds=settings.read_seconds,
            idle_seconds=settings.idle_seconds,
        )
