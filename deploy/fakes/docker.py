"""Fake of docker: images are names with digests in a fake registry."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable

from deploy.fakes.cloud import Cloud, CommandError


def build(cloud: Cloud, words: list[str]) -> None:
    """Build an image of the Dockerfile on standard input; its digest is that of the text."""
    tag = next(word for word in words if word.startswith("--tag=")).removeprefix("--tag=")
    with cloud.change() as state:
        state["images"][tag] = hashlib.sha256(sys.stdin.buffer.read()).hexdigest()


def pull(cloud: Cloud, words: list[str]) -> None:
    """Pull an image from the registry."""
    with cloud.change() as state:
        if words[-1] not in state["registry"]:
            message = f"Error response from daemon: manifest for {words[-1]} not found"
            raise CommandError(message)
        state["images"][words[-1]] = state["registry"][words[-1]]


def push(cloud: Cloud, words: list[str]) -> None:
    """Push an image to the registry."""
    with cloud.change() as state:
        state["registry"][words[-1]] = _image(state["images"], words[-1])


def tag(cloud: Cloud, words: list[str]) -> None:
    """Add a name to an image."""
    with cloud.change() as state:
        state["images"][words[2]] = _image(state["images"], words[1])


def inspect(cloud: Cloud, words: list[str]) -> None:
    """Print the repository digests of an image."""
    state = cloud.read()
    digest = _image(state["images"], words[-1])
    names = {name.rsplit(":", 1)[0] for name, held in state["registry"].items() if held == digest}
    for name in sorted(names):
        sys.stdout.write(f"{name}@sha256:{digest}\n")


def reject(_cloud: Cloud, words: list[str]) -> None:
    """Raise for an unsupported command."""
    message = f"docker: '{words[0]}' is not supported by the fake"
    raise CommandError(message)


def _image(images: dict[str, str], name: str) -> str:
    if name not in images:
        message = f"Error: No such image: {name}"
        raise CommandError(message)
    return images[name]


COMMANDS: dict[str, Callable[[Cloud, list[str]], None]] = {
    "build": build,
    "pull": pull,
    "push": push,
    "tag": tag,
    "inspect": inspect,
}


def main(words: list[str]) -> None:
    """Execute one call, or exit with its error."""
    cloud = Cloud.of_environment()
    cloud.record("docker", words)
    try:
        COMMANDS.get(words[0], reject)(cloud, words)
    except CommandError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv[1:])
