"""Every setting of the service, from environment variables that begin with FLIGHT_DELAY_."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    Field,
    FilePath,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from serving.api.auth import ApiKeys
from serving.logs import LogFormat
from serving.prediction_log.sinks import OFF, checked

PREFIX = "FLIGHT_DELAY_"
INVALID_EXIT_CODE = 2
LEAST_SECRET = 16
"""Characters of the shortest secret that is accepted."""

_WORD = "[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
_TAG = re.compile(f"{_WORD}(:{_WORD})?")


class Batching(StrEnum):
    """How flights of different requests are brought together."""

    INLINE = "inline"
    """In the endpoint's own process: what has arrived is scored as one batch, nobody waits."""
    BENTOML = "bentoml"
    """BentoML's adaptive batching (`batchable=True`), one hop away."""
    OFF = "off"
    """Every request is scored by itself."""


class Settings(BaseSettings):
    """Settings of one service process; immutable.

    Files that a setting names are read, and the driver of a database is loaded, when the settings
    are made: the supervisor finds every mistake before it starts a worker.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, allow_inf_nan=False, hide_input_in_errors=True
    )

    model: str = Field("flight_delay:latest", description="Tag of the model to serve.")
    batching: Batching = Field(Batching.INLINE, description="Batching engine.")
    workers: int = Field(1, ge=1, le=64, description="Server processes; one per vCPU.")
    max_batch: int = Field(
        256, ge=2, description="Most flights scored in one call; 2 is the least that BentoML takes."
    )
    max_queue: int = Field(
        8_192, ge=1, description="Flights that may wait, of requests up to a batch."
    )
    max_bulk: int = Field(40_000, ge=1, description="The same, of larger requests.")
    max_bulk_bytes: int = Field(
        64_000_000, ge=1, description="What all large bodies at work may hold together."
    )
    max_body_bytes: int = Field(4_000_000, ge=1, description="Largest accepted request body.")
    max_connections: int = Field(
        4_000, ge=1, description="Open connections; beyond, idle ones are closed."
    )
    read_seconds: float = Field(20.0, gt=0, description="Time for a request to arrive whole.")
    loop_seconds: float = Field(
        10.0, gt=0, description="A worker ends when its event loop has not turned for so long."
    )
    idle_seconds: float = Field(65.0, gt=0, description="Time between requests of a connection.")
    admin_token: SecretStr | None = Field(
        None, description="Opens /admin/reload; without one there is no such route."
    )
    admin_token_file: FilePath | None = Field(
        None, description=f"File that holds the admin token, {LEAST_SECRET} characters or more."
    )

    api_keys_file: FilePath | None = Field(
        None, description="File of the accepted API keys; without one no key is asked for."
    )
    log_format: LogFormat = Field(LogFormat.AUTO, description="json, text, or auto.")
    prediction_log: Annotated[str, AfterValidator(checked)] = Field(
        OFF, description="Where predictions go: off, stdout, parquet:<folder> or sql:<URL>."
    )
    prediction_buffer: int = Field(50_000, ge=1, description="Predictions that may wait to go.")
    prediction_seconds: float = Field(30.0, gt=0, description="Oldest record of a Parquet file.")

    @field_validator("model")
    @classmethod
    def _is_tag(cls, model: str) -> str:
        if not _TAG.fullmatch(model):
            message = "must be a tag: flight_delay:latest, or flight_delay:<version>"
            raise ValueError(message)
        return model

    @field_validator("api_keys_file")
    @classmethod
    def _holds_keys(cls, file: Path | None) -> Path | None:
        if file is not None:
            ApiKeys.parse(_text(file))
        return file

    @field_validator("admin_token")
    @classmethod
    def _is_long(cls, token: SecretStr | None) -> SecretStr | None:
        secret(token, None)
        return token

    @field_validator("admin_token_file")
    @classmethod
    def _holds_secret(cls, file: Path | None) -> Path | None:
        secret(None, file)
        return file

    @model_validator(mode="after")
    def _takes_a_batch(self) -> Self:
        if self.max_queue < self.max_batch:
            message = (
                f"{PREFIX}MAX_QUEUE ({self.max_queue}) is below {PREFIX}MAX_BATCH "
                f"({self.max_batch}): a whole batch would never be accepted"
            )
            raise ValueError(message)
        return self

    @property
    def admin_secret(self) -> str | None:
        """The admin token, from the environment or its file."""
        return secret(self.admin_token, self.admin_token_file)


@lru_cache(maxsize=1)
def settings() -> Settings:
    """Return the settings of this process, read once.

    Leaves the process with exit code 2, and one line per mistake on standard error, where the
    environment holds settings that are not valid.
    """
    try:
        return Settings()
    except ValidationError as error:
        lines = "".join(f"{line}\n" for line in problems(error))
    sys.stderr.write(lines)
    raise SystemExit(INVALID_EXIT_CODE)


def problems(error: ValidationError) -> Iterator[str]:
    """Yield a line for each invalid setting: its variable, what is wrong, what is expected.

    No value is shown: it may be a secret, or hold a password.
    """
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        said = " ".join(each["msg"].removeprefix("Value error, ").split())
        if not each["loc"]:
            yield f"Invalid settings: {said}."
            continue
        name = str(each["loc"][0])
        field = Settings.model_fields[name]
        default = "" if field.default is None else f" The default is {field.default}."
        expected = f"{field.description}{default}"
        yield f"Invalid {PREFIX}{name.upper()}: {said}. Correct or unset it. {expected}"


def secret(given: SecretStr | None, file: Path | None) -> str | None:
    """Return a secret from a setting, or from the file that another setting names.

    Raises
    ------
    ValueError
        If the file cannot be read, or the secret has fewer than `LEAST_SECRET` characters.
    """
    if given is not None:
        text = given.get_secret_value().strip()
    elif file is not None:
        text = _text(file).strip()
    else:
        return None
    if len(text) < LEAST_SECRET:
        message = f"the secret must have {LEAST_SECRET} characters at least"
        raise ValueError(message)
    return text


def _text(file: Path) -> str:
    """Return the text of a file; a ValueError says why it cannot be read."""
    try:
        return file.read_text()
    except OSError as error:
        message = f"{file} cannot be read ({error.strerror})"
    except UnicodeDecodeError:
        message = f"{file} is not a text file in UTF-8"
    raise ValueError(message)
