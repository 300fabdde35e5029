"""Run docker commands, and explain the error where there is no container engine."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

ANSWER_SECONDS = 60
DEFAULT_IMAGE = "flight-delay-service:latest"


class EngineError(Exception):
    """There is no container engine, or it refused; the text is meant for people."""


def docker(*arguments: str, errors_too: bool = False) -> str:
    """Run one docker command and return what it printed, if wanted on standard error too.

    Raises
    ------
    EngineError
        If it fails; the text ends with the output of docker.
    """
    require()
    done = subprocess.run(  # noqa: S603 - the commands are the project's own
        ["docker", *arguments],  # noqa: S607 - wherever it is installed
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if errors_too else subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        message = f"docker {arguments[0]} failed:\n{(done.stderr or done.stdout).strip()}"
        raise EngineError(message)
    return done.stdout


def require() -> None:
    """Check that an engine answers.

    Raises
    ------
    EngineError
        If docker is not installed or its engine cannot be reached.
    """
    if shutil.which("docker") is None:
        message = "Images need docker: its command is not on PATH."
        raise EngineError(message)
    asked = subprocess.run(
        ["docker", "version", "--format", "{{.Server.Version}}"],  # noqa: S607 - wherever it is
        capture_output=True,
        text=True,
        check=False,
        timeout=ANSWER_SECONDS,
    )
    if asked.returncode != 0:
        message = f"Images need a running container engine: {asked.stderr.strip()}"
        raise EngineError(message)


def inspect(image: str) -> dict[str, Any]:
    """Return the attributes of a local image, as `docker image inspect` prints them.

    Raises
    ------
    EngineError
        If there is no such image.
    """
    try:
        found: list[dict[str, Any]] = json.loads(docker("image", "inspect", image))
    except EngineError as error:
        message = f"There is no image {image!r} here: build it with `make image`. ({error})"
        raise EngineError(message) from error
    return found[0]


def run_inside(image: str, *command: str) -> str:
    """Run a command in a fresh container of an image, without network, and return its output."""
    limits = ("--rm", "--pull", "never", "--network", "none", "--read-only")
    return docker("run", *limits, "--entrypoint", command[0], image, *command[1:])
