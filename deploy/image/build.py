"""Build the image: `python -m deploy.image.build`, `make image`.

The bento contains the registered model; `bentoml containerize` builds the image from it. Settings
are environment variables, with their defaults:

IMAGE           name and tag of the image; `flight-delay-service:latest`
BASE_IMAGE      base image; `python:3.11-slim`
REQUIRE_DIGEST  1 rejects a BASE_IMAGE that is not pinned by digest (`name@sha256:...`)
REVISION        label of the image; the commit of the checkout
SBOM            file of the bill of materials; `build/sbom.cdx.json`
CACHE_FROM      image whose layers may be reused; if it is missing, all layers are built
"""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from deploy.image import sbom
from load.tools import container_engine as engine
from serving.models import store
from serving.settings import settings

PROJECT = Path(__file__).parents[2]
RESULTS = PROJECT / "build"
"""Default folder of `sbom.cdx.json` and `image.json`."""
DEFAULT_BASE = "python:3.11-slim"
TEMPLATE = "deploy/image/Dockerfile.j2"
UNKNOWN = "unknown"

is_pinned = re.compile(r".+@sha256:[0-9a-f]{64}").fullmatch
logger = logging.getLogger("image")


class BuildError(Exception):
    """Error of a failed build; the message says why."""


@dataclass(frozen=True)
class Plan:
    """Settings of a build.

    Raises
    ------
    BuildError
        If the base image must be pinned and is not.
    """

    image: str
    base: str
    revision: str
    cache_from: str = ""
    sbom: Path = RESULTS / sbom.FILE

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Plan:
        """Read the settings from environment variables; an empty value counts as absent."""
        base = environment.get("BASE_IMAGE") or DEFAULT_BASE
        if environment.get("REQUIRE_DIGEST") == "1" and not is_pinned(base):
            message = (
                f"BASE_IMAGE is {base!r}, a tag, which may point to another image later. "
                "Use a digest: python:3.11-slim@sha256:..."
            )
            raise BuildError(message)
        image = environment.get("IMAGE") or engine.DEFAULT_IMAGE
        revision = environment.get("REVISION") or git("rev-parse", "HEAD")
        written = Path(environment.get("SBOM") or RESULTS / sbom.FILE)
        return cls(image, base, revision, environment.get("CACHE_FROM", ""), written)


def main() -> None:
    """Build the image, write its bill of materials and log its size."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        build(Plan.of(os.environ))
    except (BuildError, engine.EngineError) as error:
        sys.exit(str(error))


def build(plan: Plan) -> None:
    """Build the image of a plan, and write its description to `build/`."""
    engine.require()
    tag, bundle = store.require(settings().model)
    with tempfile.TemporaryDirectory(prefix="flight-delay-image-") as scratch:
        bento = build_bento(Path(scratch))
        containerize(plan, bento, labels(plan, tag, bundle.card, bento), Path(scratch))
    facts = engine.inspect(plan.image)
    for folder in (RESULTS, plan.sbom.parent):
        folder.mkdir(parents=True, exist_ok=True)
    sbom.write(plan.image, facts, plan.sbom)
    (RESULTS / "image.json").write_text(json.dumps(summary(plan, facts), indent=1) + "\n")
    logger.info("%s  %.1f MB  %s", plan.image, facts["Size"] / 1e6, facts["Id"])


def build_bento(folder: Path) -> str:
    """Build the bento from bentofile.yaml with this project's Dockerfile template.

    `bentofile.yaml` itself does not name the template, because then a plain `bentoml containerize`
    would only work in the folder of temporary files (docs/decisions/0010).
    """
    options = yaml.safe_load((PROJECT / "bentofile.yaml").read_text())
    options["docker"] = {**options.get("docker", {}), "dockerfile_template": TEMPLATE}
    bentofile = folder / "bentofile.yaml"
    bentofile.write_text(yaml.safe_dump(options))
    printed = bentoml("build", "--bentofile", str(bentofile), "--output", "tag", ".", cwd=PROJECT)
    return printed.strip().splitlines()[-1].removeprefix("__tag__:")


def containerize(plan: Plan, bento: str, named: Mapping[str, str], folder: Path) -> None:
    """Build the image with BentoML.

    Raises
    ------
    BuildError
        If no image was built; BentoML exits with 0 even then.
    """
    options = [f"label={name}={value}" for name, value in named.items()]
    options += [f"build-arg=BASE_IMAGE={plan.base}", "progress=plain"]
    if plan.cache_from:
        options += [f"cache-from={plan.cache_from}", "build-arg=BUILDKIT_INLINE_CACHE=1"]
    arguments = [part for option in options for part in ("--opt", option)]
    command = ("containerize", bento, "--backend", "docker", "--image-tag", plan.image)
    printed = bentoml(*command, *arguments, cwd=folder, TMPDIR=str(folder))
    if f'built Bento container for "{bento}"' not in printed:
        message = f"bentoml containerize built no image:\n{printed[-3000:]}"
        raise BuildError(message)


def labels(plan: Plan, tag: str, card: Mapping[str, Any], bento: str) -> dict[str, str]:
    """Return the image's labels, with keys of the OCI image specification and our own."""
    standard = {
        "title": "flight-delay-service",
        "description": "Probability that a departure from Santiago de Chile leaves late",
        "revision": plan.revision,
        "version": tag.partition(":")[2],
        "base.name": plan.base.partition("@")[0],
    }
    if is_pinned(plan.base):
        standard["base.digest"] = plan.base.partition("@")[2]
    if created := git("log", "-1", "--format=%cI"):
        standard["created"] = created
    own = {"model": tag, "data.sha256": card["data"]["sha256"], "bento": bento}
    return {f"org.opencontainers.image.{key}": value for key, value in standard.items()} | {
        f"flight-delay.{key}": value for key, value in own.items()
    }


def summary(plan: Plan, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the description of the image for later steps."""
    return {
        "image": plan.image,
        "id": facts["Id"],
        "bytes": facts["Size"],
        "base": plan.base,
        "labels": facts["Config"]["Labels"],
    }


def bentoml(*arguments: str, cwd: Path, **environment: str) -> str:
    """Run BentoML's command line and return what it printed."""
    done = subprocess.run(  # noqa: S603 - the commands are the project's own
        [sys.executable, "-m", "bentoml", *arguments],
        cwd=cwd,
        env={**os.environ, "BENTOML_DO_NOT_TRACK": "true", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        message = f"bentoml {arguments[0]} failed:\n{done.stdout[-3000:]}"
        raise BuildError(message)
    return done.stdout


def git(*arguments: str) -> str:
    """Return the output of a git command, or `unknown` outside a repository."""
    done = subprocess.run(  # noqa: S603 - the commands are the project's own
        ["git", *arguments],  # noqa: S607 - found on PATH
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() if done.returncode == 0 else UNKNOWN


if __name__ == "__main__":
    main()
