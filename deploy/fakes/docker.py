"""A stand-in for docker where there is no engine: images are names in a registry of digests."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable

from deploy.fakes.cloud import Cloud
from deploy.fakes.errors import Refusal


def build(cloud: Cloud, words: list[str]) -> None:
    """Make an image of the Dockerfile on the standard input."""
    tag = next(word for word in words if word.startswith("--tag=")).removeprefix("--tag=")
    with cloud.change() as state:
        state["images"][tag] = hashlib.sha256(sys.stdin.buffer.read()).hexdigest()


def pull(cloud: Cloud, words: list[str]) -> None:
    """Fetch an image that was pushed."""
    with cloud.change() as state:
        if words[-1] not in state["registry"]:
            message = f"Error response from daemon: manifest for {words[-1]} not found"
            raise Refusal(message)
        state["images"][words[-1]] = state["registry"][words[-1]]


def push(cloud: Cloud, words: list[str]) -> None:
    """Bring an image to the registry."""
    with cloud.change() as state:
        state["registry"][words[-1]] = _image(state["images"], words[-1])


def tag(cloud: Cloud, words: list[str]) -> None:
    """Give an image another name."""
    with cloud.change() as state:
        state["images"][words[2]] = _image(state["images"], words[1])


def inspect(cloud: Cloud, words: list[str]) -> None:
    """Print under which digests an image was pushed."""
    state = cloud.read()
    digest = _image(state["images"], words[-1])
    names = {name.rsplit(":", 1)[0] for name, held in state["registry"].items() if held == digest}
    for name in sorted(names):
        sys.stdout.write(f"{name}@sha256:{digest}\n")


def refuse(_cloud: Cloud, words: list[str]) -> None:
    """Say that the stand-in does not know a command."""
    message = f"docker: '{words[0]}' is not known to the stand-in"
    raise Refusal(message)


def _image(images: dict[str, str], name: str) -> str:
    if name not in images:
        message = f"Error: No such image: {name}"
        raise Refusal(message)
    return images[name]


COMMANDS: dict[str, Callable[[Cloud, list[str]], None]] = {
    "build": build,
    "pull": pull,
    "push": push,
    "tag": tag,
    "inspect": inspect,
}


def main(words: list[str]) -> None:
    """Answer one call, or refuse it."""
    cloud = Cloud.of_environment()
    cloud.record("docker", words)
    try:
        COMMANDS.get(words[0], refuse)(cloud, words)
    except Refusal as refusal:
        sys.exit(str(refusal))


if __name__ == "__main__":
    main(sys.argv[1:])
