"""Measure the start of the container: `python -m load.scenarios.cold_start`, `make coldstart`.

The image that IMAGE names starts with 1 vCPU and 512 MiB, alternating with a bare BentoML: a hello
world served by `bentoml serve` in the same image.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from load.reports import report
from load.tools import container_engine as engine
from load.tools import environment
from load.tools.container import Container
from load.tools.server_process import PROJECT, Probe
from load.tools.stats import summary

HELLO_SERVICE = Path(__file__).parents[1] / "baselines" / "servers" / "bentoml_hello.py"
HELLO_IMAGE = "flight-delay-hello:coldstart"
TABLE = "coldstart.md"
EXAMPLE = (PROJECT / "tests" / "request.json").read_bytes()
PREDICTS = Probe("/predict_delay", EXAMPLE)
"""The first prediction ends the measurement; the bare service gets the same request."""

DOCKERFILE = """\
FROM {image}
COPY bento /hello
ENV BENTO_PATH=/hello
ENTRYPOINT ["/hello/env/docker/entrypoint.sh"]
CMD ["serve"]
"""
BENTOFILE = """\
service: "bentoml_hello:Baseline"
name: flight_delay_hello
include: [bentoml_hello.py]
python: {packages: [bentoml], lock_packages: false}
"""

Case = Callable[[], Container]


def main(
    rounds: Annotated[int, typer.Option(help="Starts of each, alternating.", min=1)] = 5,
    docs: Annotated[Path, typer.Option(help="Folder for coldstart.md.")] = PROJECT / "docs",
) -> None:
    """Measure the cold start of IMAGE beside a bare BentoML and write docs/coldstart.md."""
    image = os.environ.get("IMAGE") or engine.DEFAULT_IMAGE
    header = environment.header("load.scenarios.cold_start")
    try:
        facts = engine.inspect(image)
        make_hello_image(image)
        cases: dict[str, Case] = {
            "this service": lambda: Container(image),
            "this service, two workers under `bentoml serve`": lambda: Container(
                image, environment={"FLIGHT_DELAY_WORKERS": "2"}
            ),
            "bare BentoML, hello world": lambda: Container(HELLO_IMAGE),
            "this service, without the image's bytecode": lambda: Container(
                image, environment={"PYTHONPYCACHEPREFIX": "/nowhere"}
            ),
        }
        measured = measure(cases, rounds)
    except engine.EngineError as error:
        sys.exit(str(error))
    finally:
        engine.docker("image", "rm", "--force", HELLO_IMAGE)
    result = {
        **header,
        "rounds": rounds,
        "image_mb": facts["Size"] / 1e6,
        "cases": [{"name": name, **figures} for name, figures in measured.items()],
        "ratio": ratios(measured["this service"], measured["bare BentoML, hello world"]),
    }
    (docs / TABLE).write_text(report.render(f"{TABLE}.jinja", result=result))
    sys.stdout.write((docs / TABLE).read_text())


def measure(cases: Mapping[str, Case], rounds: int) -> dict[str, dict[str, Any]]:
    """Start every case once per round, in alternating order, and summarise the figures."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in cases}
    for number in range(rounds):
        order = list(cases) if number % 2 else list(cases)[::-1]
        for name in order:
            found[name].append(start(cases[name]))
    return {
        name: {key: summary([each[key] for each in taken]) for key in taken[0]}
        for name, taken in found.items()
    }


def start(case: Case) -> dict[str, float]:
    """Return wall-clock and processor seconds to the first answer, and the peak memory until it."""
    with case() as container:
        seconds = container.wait(PREDICTS)
        cpu = container.cpu_seconds()
        return {"seconds": seconds, "cpu_seconds": cpu, "peak_mb": container.peak_mb()}


def ratios(ours: Mapping[str, Any], bare: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ratio of each figure to that of the bare service, per round."""
    return {
        key: summary([a / b for a, b in zip(ours[key]["rounds"], bare[key]["rounds"], strict=True)])
        for key in ours
    }


def make_hello_image(image: str) -> None:
    """Add a bento of the hello world to the image: same base, packages and bytecode."""
    with tempfile.TemporaryDirectory(prefix="flight-delay-hello-") as name:
        folder = Path(name)
        (folder / HELLO_SERVICE.name).write_bytes(HELLO_SERVICE.read_bytes())
        (folder / "bentofile.yaml").write_text(BENTOFILE)
        (folder / "Dockerfile").write_text(DOCKERFILE.format(image=image))
        home = {**os.environ, "BENTOML_HOME": str(folder / "home"), "BENTOML_DO_NOT_TRACK": "true"}
        for command in (
            ["build"],
            ["export", "flight_delay_hello:latest", str(folder / "b.bento")],
        ):
            subprocess.run(  # noqa: S603 - BentoML's own commands
                [sys.executable, "-m", "bentoml", *command],
                cwd=folder,
                env=home,
                check=True,
                stdout=subprocess.DEVNULL,
            )
        with tarfile.open(folder / "b.bento") as bento:
            bento.extractall(folder / "bento", filter="data")
        engine.docker("build", "--quiet", "--tag", HELLO_IMAGE, str(folder))


if __name__ == "__main__":
    typer.run(main)
