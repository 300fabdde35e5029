"""Check an image before its contract is tested: `python -m deploy.image.check`.

hadolint checks the Dockerfile that the image was built with, container-structure-test its settings
and files. The environment variable IMAGE names the image.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from load.tools import container_engine as engine

HERE = Path(__file__).parent
DOCKERFILE = "/home/bentoml/bento/env/docker/Dockerfile"
TOOLS = Path(sys.executable).parent


def main() -> None:
    """Run both tools; leave with what they found."""
    image = os.environ.get("IMAGE") or engine.DEFAULT_IMAGE
    try:
        dockerfile = engine.run_inside(image, "cat", DOCKERFILE)
    except engine.EngineError as error:
        sys.exit(str(error))
    hadolint = _tool("hadolint", "--config", str(HERE / "hadolint.yaml"), "-", given=dockerfile)
    structure = ("--image", image, "--config", str(HERE / "structure.yaml"))
    sys.exit(hadolint | _tool("container-structure-test", "test", *structure))


def _tool(name: str, *arguments: str, given: str = "") -> int:
    """Run a tool of the environment and return its exit code."""
    done = subprocess.run(  # noqa: S603 - the project's own tools
        [TOOLS / name, *arguments], input=given, text=True, check=False
    )
    sys.stdout.write(f"{name}: {'passed' if done.returncode == 0 else 'FAILED'}\n")
    sys.stdout.flush()
    return done.returncode


if __name__ == "__main__":
    main()
