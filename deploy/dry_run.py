"""Run the whole pipeline without a cloud: `make pipeline-dry-run`.

The steps of cloudbuild.yaml run in order with a fake gcloud and, without a container engine, a fake
docker. Cloud Run's URL is that of the real service on this machine, so the smoke and load checks
are real. The slow targets (environment, lint, tests, training, image) are replaced by the scripts
of deploy/fakes/stand-ins, which print that they are replacements; FULL=1 runs them all.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated

import typer

from deploy import pipeline
from deploy.fakes.cloud import Cloud
from load.tools.server_process import PROJECT, Probe, Server, service
from load.tools.wrk import PREDICT_PATH
from serving.models import store

FAKES = PROJECT / "deploy" / "fakes"
BUILD = PROJECT / "deploy" / "cloudbuild.yaml"
HEAVY = (".venv/dev.stamp", "check", "test", "train", "image", "image-test")
"""Make targets that are replaced by a short script."""
DATA_BUCKET, MODEL_BUCKET = (f"gs://example-flight-delay-{name}" for name in ("data", "models"))
FLIGHTS = f"{DATA_BUCKET}/flights/dataset_SCL.csv"
REQUEST = PROJECT / "tests" / "request.json"
REGISTRY = "registry.example"
RELAXED = {"LOAD_SECONDS": "5", "P99_MS": "2000"}
"""Settings of the load check for a short run on a busy machine."""


class DryRun:
    """Fake cloud in a folder, and builds that deploy to it.

    Parameters
    ----------
    folder
        Folder for the cloud's state and the builds' work.
    store
        BentoML store whose latest model the replaced training returns.
    stand_ins
        Make targets that are replaced by short scripts.
    registry
        Host of a real image registry; without one, docker is a fake too.
    """

    def __init__(
        self,
        folder: Path,
        store: Path,
        *,
        stand_ins: tuple[str, ...] = HEAVY,
        registry: str | None = None,
    ) -> None:
        self.folder = folder
        self.cloud = Cloud(folder / "cloud")
        self._store = store
        self._stand_ins = stand_ins
        self._registry = registry
        with self.cloud.change() as state:
            state["buckets"] = [DATA_BUCKET, MODEL_BUCKET]

    def place_flights(self, content: bytes) -> None:
        """Put flights and their checksum into the data bucket."""
        name = FLIGHTS.rsplit("/", 1)[-1]
        self.cloud.put(FLIGHTS, content)
        digest = hashlib.sha256(content).hexdigest()
        self.cloud.put(f"{FLIGHTS}.sha256", f"{digest}  {name}\n".encode())

    def answer_with(self, *, service: str, candidate: str | None = None) -> None:
        """Set the URLs that Cloud Run returns."""
        with self.cloud.change() as state:
            state["urls"] = {"service": service, "candidate": candidate or service}

    def build(
        self,
        number: str,
        substitutions: Mapping[str, str],
        environment: Mapping[str, str],
        tell: Callable[[str], None] = lambda _line: None,
    ) -> pipeline.Outcome:
        """Run the whole pipeline for this commit as one build.

        Parameters
        ----------
        number
            Id of the build.
        environment
            Further variables of every step.
        """
        with self.cloud.change() as state:
            state["builds"][number] = "WORKING"
        values = {"PROJECT_ID": "example", "COMMIT_SHA": commit(), "BUILD_ID": number}
        values |= {"_REGISTRY": self._registry or REGISTRY, **substitutions}
        around = self.environment(f"work-{number}", environment)
        outcome = pipeline.run(pipeline.plan(BUILD, values), around, tell)
        with self.cloud.change() as state:
            state["builds"][number] = "FAILURE" if outcome.failed else "SUCCESS"
        return outcome

    def call(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run one command of the project against the fake cloud."""
        around = {"PROJECT": "example", **self.environment("work-call", environment)}
        return subprocess.run(  # noqa: S603 - the project's own scripts
            command, cwd=PROJECT, env=around, capture_output=True, text=True, check=False
        )

    def environment(self, work: str, more: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of a step: fakes first on PATH, and its own home folder."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        tools = [FAKES / "bin", *([] if self._registry else [FAKES / "docker-bin"])]
        kept = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "DOCKER_HOST", "LANG", "XDG_CACHE_HOME")
        return {
            **{name: os.environ[name] for name in kept if name in os.environ},
            "PATH": os.pathsep.join([*map(str, tools), os.environ["PATH"]]),
            "HOME": str(home),
            "BIN": str(Path(sys.executable).parent),
            "REAL_MAKE": shutil.which("make") or "make",
            "FAKE_CLOUD": str(self.folder / "cloud"),
            "WORK": str(self.folder / work),
            "BENTOML_HOME": str(self.folder / work / "bentoml"),
            "STAND_INS": " ".join(self._stand_ins),
            "STAND_IN_STORE": str(self._store),
            "LOCK_PAUSE": "0.2",
            **more,
        }


@cache
def commit() -> str:
    """Return the hash of the commit that is checked out, or zeros outside a repository."""
    git = shutil.which("git") or "git"
    done = subprocess.run(  # noqa: S603 - git
        [git, "rev-parse", "HEAD"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else "0" * 40


def local_service(log: Path) -> Server:
    """Return the real service, not yet started, that replaces the one on Cloud Run."""
    return service(Probe(PREDICT_PATH, REQUEST.read_bytes()), log)


def main(
    full: Annotated[bool, typer.Option(envvar="FULL", help="Run the slow targets too.")] = False,
    host: Annotated[
        str | None, typer.Option("--registry", envvar="DRY_RUN_REGISTRY", help="Real registry.")
    ] = None,
) -> None:
    """Run the pipeline twice: a first deployment, and a second one with a canary."""
    store.require(f"{store.DEFAULT_NAME}:latest")
    if host and not _engine():
        typer.echo("no container engine: using the fake docker")
        host = None
    elif not host:
        typer.echo("DRY_RUN_REGISTRY is not set: using the fake docker")
    typer.echo("all targets are real" if full else f"replaced: make {', '.join(HEAVY)}")
    with tempfile.TemporaryDirectory(prefix="flight-delay-dry-run-") as name:
        folder = Path(name)
        home = store.store_folder().parent
        dry = DryRun(folder, home, stand_ins=() if full else HEAVY, registry=host)
        dry.place_flights(_flights())
        with local_service(folder / "log") as server:
            dry.answer_with(service=server.url)
            for number in ("11111111-first", "22222222-second"):
                values = {"_CANARY_SECONDS": "10", "_ENVIRONMENT": "production"}
                outcome = dry.build(number, values, RELAXED, typer.echo)
                if outcome.failed:
                    raise typer.Exit(1)
        typer.echo("\ncalls to the fake cloud:")
        for call in dry.cloud.calls():
            typer.echo(f"  {' '.join(call)}")


def _engine() -> bool:
    """Whether docker is installed and its engine answers."""
    docker = shutil.which("docker")
    if docker is None:
        return False
    done = subprocess.run([docker, "info"], capture_output=True, check=False, timeout=30)  # noqa: S603 - docker
    return done.returncode == 0


def _flights() -> bytes:
    """Return the flights of SCL_DATASET, or generated ones, which the replaced training ignores."""
    named = os.environ.get("SCL_DATASET")
    if not named:
        from data.sample import generate_flights  # noqa: PLC0415 - the import takes a second

        return generate_flights(0).to_csv(index=False).encode()
    from data.download import read_source  # noqa: PLC0415 - as above

    return read_source(named)


if __name__ == "__main__":
    typer.run(main)
