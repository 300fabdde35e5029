"""The whole pipeline without a cloud: `make pipeline-dry-run`.

The steps of cloudbuild.yaml run for real, in order, against stand-ins for gcloud and, where there
is no engine, docker. The service that "Cloud Run" answers with is the real one, started here, so
that smoke and load checks run for real. What takes long (environment, lint, tests, training, image)
is replaced by the short scripts of deploy/fakes/stand-ins, and every such place says so; FULL=1
runs it all.
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
"""Targets of make that have a stand-in."""
DATA_BUCKET, MODEL_BUCKET = (f"gs://example-flight-delay-{name}" for name in ("data", "models"))
FLIGHTS = f"{DATA_BUCKET}/flights/dataset_SCL.csv"
REQUEST = PROJECT / "tests" / "request.json"
REGISTRY = "registry.example"
RELAXED = {"LOAD_SECONDS": "5", "P99_MS": "2000"}
"""For a short run on a machine that may have other things to do."""


class DryRun:
    """A made-up cloud in a folder, and builds that deploy to it.

    Parameters
    ----------
    folder
        Where the cloud and the builds' work lie.
    store
        BentoML store whose latest model "training" yields.
    stand_ins
        Targets of make that are not run for real.
    registry
        Host of a real image registry; without one, docker is a stand-in too.
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
        """Put flights into the data bucket, with their sum."""
        name = FLIGHTS.rsplit("/", 1)[-1]
        self.cloud.put(FLIGHTS, content)
        digest = hashlib.sha256(content).hexdigest()
        self.cloud.put(f"{FLIGHTS}.sha256", f"{digest}  {name}\n".encode())

    def answer_with(self, *, service: str, candidate: str | None = None) -> None:
        """Say which addresses Cloud Run gives."""
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
            The build's id.
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
        """Run one command of the project against the made-up cloud."""
        around = {"PROJECT": "example", **self.environment("work-call", environment)}
        return subprocess.run(  # noqa: S603 - the project's own scripts
            command, cwd=PROJECT, env=around, capture_output=True, text=True, check=False
        )

    def environment(self, work: str, more: Mapping[str, str]) -> dict[str, str]:
        """Return what stands around a step: the stand-ins first on PATH, a home of its own."""
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
    """Hash of the commit that is checked out; zeros where this is no repository."""
    git = shutil.which("git") or "git"
    done = subprocess.run(  # noqa: S603 - git
        [git, "rev-parse", "HEAD"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else "0" * 40


def started(log: Path) -> Server:
    """Return the real service, not yet started, that answers in Cloud Run's place."""
    return service(Probe(PREDICT_PATH, REQUEST.read_bytes()), log)


def main(
    full: Annotated[bool, typer.Option(envvar="FULL", help="Run what takes long, too.")] = False,
    host: Annotated[
        str | None, typer.Option("--registry", envvar="DRY_RUN_REGISTRY", help="Real registry.")
    ] = None,
) -> None:
    """Run the pipeline twice: the first deployment, and a second one through its canary."""
    store.require(f"{store.DEFAULT_NAME}:latest")
    if host and not _engine():
        typer.echo("there is no container engine: docker is a stand-in that records")
        host = None
    elif not host:
        typer.echo("DRY_RUN_REGISTRY names no registry: docker is a stand-in that records")
    typer.echo("everything runs for real" if full else f"stood in for: make {', '.join(HEAVY)}")
    with tempfile.TemporaryDirectory(prefix="flight-delay-dry-run-") as name:
        folder = Path(name)
        home = store.store_folder().parent
        dry = DryRun(folder, home, stand_ins=() if full else HEAVY, registry=host)
        dry.place_flights(_flights())
        with started(folder / "log") as server:
            dry.answer_with(service=server.url)
            for number in ("11111111-first", "22222222-second"):
                values = {"_CANARY_SECONDS": "10", "_ENVIRONMENT": "production"}
                outcome = dry.build(number, values, RELAXED, typer.echo)
                if outcome.failed:
                    raise typer.Exit(1)
        typer.echo("\nwhat the cloud was asked:")
        for call in dry.cloud.calls():
            typer.echo(f"  {' '.join(call)}")


def _engine() -> bool:
    """Whether docker is there and has an engine to talk to."""
    docker = shutil.which("docker")
    if docker is None:
        return False
    done = subprocess.run([docker, "info"], capture_output=True, check=False, timeout=30)  # noqa: S603 - docker
    return done.returncode == 0


def _flights() -> bytes:
    """Read the flights that SCL_DATASET names; else write some down that nobody will read."""
    named = os.environ.get("SCL_DATASET")
    if not named:
        from data.sample import generate  # noqa: PLC0415 - takes a second, and only where it is needed

        return generate.generate(0).to_csv(index=False).encode()
    from data.download import read_source  # noqa: PLC0415 - as above

    return read_source(named)


if __name__ == "__main__":
    typer.run(main)
