"""Settings of the service, from environment variables that begin with FLIGHT_DELAY_."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from enum import StrEnum
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
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

from serving import key_file
from serving.logs import LogFormat

PREFIX = "FLIGHT_DELAY_"
INVALID_EXIT_CODE = 2
LEAST_SECRET = 16
"""Characters of the shortest secret that is accepted."""

OFF, STDOUT, PARQUET, SQL = "off", "stdout", "parquet", "sql"
"""Sinks of the prediction log."""
_SINK_LIBRARIES = {PARQUET: ("pyarrow", "pyarrow"), SQL: ("sqlalchemy", "SQLAlchemy")}
"""Module and name of the library that a sink needs."""

_WORD = "[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
_TAG = re.compile(f"{_WORD}(:{_WORD})?")


def check_sink(setting: str) -> str:
    """Return the setting of the prediction log if its sink can be opened here.

    Raises
    ------
    ValueError
        If there is no such sink, its library or database driver is not installed, or its folder
        is not writable. The text never holds the URL, which may contain a password.
    """
    kind, _, target = setting.partition(":")
    if setting in {OFF, STDOUT}:
        return setting
    if kind not in _SINK_LIBRARIES or not target:
        message = "must be off, stdout, parquet:<folder> or sql:<SQLAlchemy URL>"
        raise ValueError(message)
    module, name = _SINK_LIBRARIES[kind]
    if find_spec(module) is None:
        message = f"the sink {kind!r} needs {name}: install the dependency group `watch`"
        raise ValueError(message)
    if kind == SQL:
        _check_database(target)
    else:
        _check_folder(Path(target))
    return setting


class Batching(StrEnum):
    """Engine that collects flights of several requests into one batch."""

    INLINE = "inline"
    """In the endpoint's own process: each batch holds the requests that have arrived so far."""
    BENTOML = "bentoml"
    """BentoML's adaptive batching (`batchable=True`), one call between processes away."""
    OFF = "off"
    """Each request is a batch of its own."""


class Settings(BaseSettings):
    """Settings of one service process; immutable.

    Validation also reads the files that settings name and loads the driver of a database, so the
    supervisor finds every mistake before it starts a worker.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, allow_inf_nan=False, hide_input_in_errors=True
    )

    model: str = Field("flight_delay:latest", description="Tag of the model to serve.")
    batching: Batching = Field(Batching.INLINE, description="Batching engine.")
    workers: int = Field(1, ge=1, le=64, description="Server processes; one per vCPU.")
    max_batch: int = Field(
        256, ge=2, description="Most flights scored in one call; BentoML needs at least 2."
    )
    max_queue: int = Field(
        8_192, ge=1, description="Most waiting flights of requests up to one batch."
    )
    max_bulk: int = Field(
        40_000, ge=1, description="Most waiting flights of requests larger than a batch."
    )
    max_bulk_bytes: int = Field(
        64_000_000, ge=1, description="Most bytes of all large bodies in memory together."
    )
    max_body_bytes: int = Field(4_000_000, ge=1, description="Largest accepted request body.")
    max_connections: int = Field(
        4_000, ge=1, description="Open connections; beyond, idle ones are closed."
    )
    read_seconds: float = Field(20.0, gt=0, description="Time limit for receiving a request.")
    loop_seconds: float = Field(
        10.0, ge=1, description="Time after which a worker with a blocked event loop ends."
    )
    idle_seconds: float = Field(65.0, gt=0, description="Time between requests of a connection.")
    admin_token: SecretStr | None = Field(
        None, description="Token of /admin/reload; without one the route does not exist."
    )
    admin_token_file: FilePath | None = Field(
        None, description=f"File with the admin token, {LEAST_SECRET} characters or more."
    )

    api_keys_file: FilePath | None = Field(
        None, description="File of the accepted API keys; without one no key is needed."
    )
    log_format: LogFormat = Field(LogFormat.AUTO, description="json, text, or auto.")
    prediction_log: Annotated[str, AfterValidator(check_sink)] = Field(
        OFF, description="Sink of predictions: off, stdout, parquet:<folder> or sql:<URL>."
    )
    prediction_buffer: int = Field(
        50_000, ge=1, description="Most predictions that wait for the sink."
    )
    prediction_seconds: float = Field(
        30.0, gt=0, description="Age of the oldest record at which a Parquet file is written."
    )

    @field_validator("model")
    @classmethod
    def _check_tag(cls, model: str) -> str:
        if not _TAG.fullmatch(model):
            message = "must be a tag: flight_delay:latest, or flight_delay:<version>"
            raise ValueError(message)
        return model

    @field_validator("api_keys_file")
    @classmethod
    def _check_keys(cls, file: Path | None) -> Path | None:
        if file is not None:
            key_file.parse(_text(file))
        return file

    @field_validator("admin_token")
    @classmethod
    def _check_token(cls, token: SecretStr | None) -> SecretStr | None:
        _secret(token, None)
        return token

    @field_validator("admin_token_file")
    @classmethod
    def _check_token_file(cls, file: Path | None) -> Path | None:
        _secret(None, file)
        return file

    @model_validator(mode="after")
    def _check_queue(self) -> Self:
        if self.max_queue < self.max_batch:
            message = (
                f"{PREFIX}MAX_QUEUE ({self.max_queue}) is below {PREFIX}MAX_BATCH "
                f"({self.max_batch}): a whole batch would never be accepted"
            )
            raise ValueError(message)
        return self

    @property
    def admin_secret(self) -> str | None:
        """Admin token, from the environment or its file."""
        return _secret(self.admin_token, self.admin_token_file)


@lru_cache(maxsize=1)
def settings() -> Settings:
    """Return the settings of this process, read once.

    Exits with code 2 and one line per mistake on standard error if the environment holds invalid
    settings.
    """
    try:
        return Settings()
    except ValidationError as error:
        lines = "".join(f"{line}\n" for line in describe_mistakes(error))
    sys.stderr.write(lines)
    raise SystemExit(INVALID_EXIT_CODE)


def describe_mistakes(error: ValidationError) -> Iterator[str]:
    """Yield a line for each invalid setting: its variable, what is wrong, what is expected.

    No value is shown: it may be a secret, or contain a password.
    """
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        message = " ".join(each["msg"].removeprefix("Value error, ").split())
        if not each["loc"]:
            yield f"Invalid settings: {message}."
            continue
        name = str(each["loc"][0])
        field = Settings.model_fields[name]
        default = "" if field.default is None else f" The default is {field.default}."
        expected = f"{field.description}{default}"
        yield f"Invalid {PREFIX}{name.upper()}: {message}. Correct or unset it. {expected}"


def _secret(value: SecretStr | None, file: Path | None) -> str | None:
    """Return a secret from a setting, or from the file that another setting names.

    Raises
    ------
    ValueError
        If the file cannot be read, or the secret has fewer than `LEAST_SECRET` characters.
    """
    if value is not None:
        text = value.get_secret_value().strip()
    elif file is not None:
        text = _text(file).strip()
    else:
        return None
    if len(text) < LEAST_SECRET:
        message = f"the secret must have at least {LEAST_SECRET} characters"
        raise ValueError(message)
    return text


def _text(file: Path) -> str:
    """Return the text of a file; raise a ValueError that says why it cannot be read."""
    try:
        return file.read_text()
    except OSError as error:
        message = f"{file} cannot be read ({error.strerror})"
    except UnicodeDecodeError:
        message = f"{file} is not a text file in UTF-8"
    raise ValueError(message)


def _check_database(url: str) -> None:
    """Raise a ValueError if the URL is not valid or its database driver is not installed."""
    try:
        import_module("sqlalchemy").create_engine(url).dispose()
    except ImportError as error:
        message = f"the database driver {error.name} is not installed"
    except Exception as error:  # noqa: BLE001 - a driver may raise any exception
        message = f"SQLAlchemy does not accept the URL ({type(error).__name__})"
    else:
        return
    raise ValueError(message)


def _check_folder(folder: Path) -> None:
    """Raise a ValueError if the folder neither is writable nor can be created."""
    try:
        nearest = next(each for each in (folder, *folder.parents) if each.exists())
        if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
            return
    except OSError:
        nearest = folder
    message = f"{nearest} is not a folder in which files can be made"
    raise ValueError(message)
