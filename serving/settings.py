"""Every setting of the service, from environment variables that begin with FLIGHT_DELAY_."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, FilePath, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from serving.logs import LogFormat
from serving.predictions.sinks import OFF, checked

LEAST_SECRET = 16
"""Characters of the shortest secret that is accepted."""


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
    max_queue: int = Field(
        8_192, ge=1, description="Flights that may wait, of requests up to a batch."
    )
    max_bulk: int = Field(40_000, ge=1, description="The same, of larger requests.")
    max_bulk_bytes: int = Field(
        64_000_000, ge=1, description="What all large bodies at work may hold together."
    )
    max_body_bytes: int = Field(4_000_000, ge=1, description="Largest accepted request body.")
    max_connections: int = Field(4_000, ge=1, description="Open connections; more are refused.")
    read_seconds: float = Field(20.0, gt=0, description="Time for a request to arrive whole.")
    loop_seconds: float = Field(
        10.0, gt=0, description="A worker ends when its event loop has not turned for so long."
    )
    idle_seconds: float = Field(65.0, gt=0, description="Time between requests of a connection.")
    admin_token: SecretStr | None = Field(
        None,
        min_length=LEAST_SECRET,
        description="Opens /admin/reload; without one there is no such route.",
    )
    admin_token_file: FilePath | None = Field(None, description="File that holds it instead.")

    api_keys_file: FilePath | None = Field(
        None, description="Key file, see serving.keys; without one no key is asked for."
    )
    log_format: LogFormat = Field(LogFormat.AUTO, description="json, text, or auto.")
    prediction_log: Annotated[str, AfterValidator(checked)] = Field(
        OFF, description="Where predictions go: off, stdout, parquet:<folder>, sql:<URL>."
    )
    prediction_buffer: int = Field(50_000, ge=1, description="Predictions that may wait to go.")
    prediction_seconds: float = Field(30.0, gt=0, description="Oldest record of a Parquet file.")

    @property
    def admin_secret(self) -> str | None:
        """The admin token, from the environment or its file."""
        return secret(self.admin_token, self.admin_token_file)


@lru_cache(maxsize=1)
def settings() -> Settings:
    """Return the settings of this process, read once."""
    return Settings()


def secret(given: SecretStr | None, file: Path | None) -> str | None:
    """Return a secret from a setting, or from the file that another setting names.

    Raises
    ------
    ValueError
        If the file holds fewer than `LEAST_SECRET` characters.
    """
    if given is not None or file is None:
        return given.get_secret_value() if given is not None else None
    text = file.read_text().strip()
    if len(text) < LEAST_SECRET:
        message = f"the secret in {file} is too short: {LEAST_SECRET} characters at least"
        raise ValueError(message)
    return text
