"""Every setting of the service, from environment variables that begin with FLIGHT_DELAY_."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from serving.predictions.sinks import OFF, checked


class Batching(StrEnum):
    """How flights of different requests are brought together."""

    INLINE = "inline"
    """In the endpoint's own process: what has arrived is scored as one batch, nobody waits."""
    BENTOML = "bentoml"
    """BentoML's adaptive batching (`batchable=True`), one hop away."""
    OFF = "off"
    """Every request is scored by itself."""


class Settings(BaseSettings):
    """Settings of one service process; immutable."""

    model_config = SettingsConfigDict(env_prefix="FLIGHT_DELAY_", frozen=True)

    model: str = Field("flight_delay:latest", description="Tag of the model to serve.")
    batching: Batching = Field(Batching.INLINE, description="Batching engine.")
    workers: int = Field(1, ge=1, le=64, description="Server processes; one per vCPU.")
    max_batch: int = Field(256, ge=1, description="Most flights scored in one call.")
    max_queue: int = Field(40_000, ge=1, description="Flights that may wait; more are refused.")
    max_body_bytes: int = Field(4_000_000, ge=1, description="Largest accepted request body.")
    prediction_log: Annotated[str, AfterValidator(checked)] = Field(
        OFF, description="Where predictions go: off, stdout, parquet:<folder>, sql:<URL>."
    )
    prediction_buffer: int = Field(50_000, ge=1, description="Predictions that may wait to go.")
    prediction_seconds: float = Field(30.0, gt=0, description="Oldest record of a Parquet file.")


@lru_cache(maxsize=1)
def settings() -> Settings:
    """Return the settings of this process, read once."""
    return Settings()
