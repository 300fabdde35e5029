"""Start the service and run locust's users against it: `make load-users`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from load.tools.server_process import PROJECT
from load.tools.setup import Setup
from serving.settings import Batching

FLIGHTS_VARIABLE = "LOAD_FLIGHTS_FILE"
"""Environment variable with the path of the payloads of one flight."""
LOCUSTFILE = Path(__file__).parents[1] / "locustfile.py"
REPORT = "users.html"
SPAWNED_PER_SECOND = 50
GRACE_SECONDS = 60


def main(
    users: Annotated[int, typer.Option(help="Each sends one request per second.", min=1)] = 200,
    seconds: Annotated[int, typer.Option(help="Run time.", min=1)] = 60,
    batching: Annotated[Batching, typer.Option(help="Engine to measure.")] = Batching.INLINE,
    reports: Annotated[Path, typer.Option(help="Folder for users.html.")] = Path("reports"),
) -> None:
    """Run realistic users against the service; exit with 1 where a request failed."""
    reports.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="flight-delay-users-") as name:
        setup = Setup.make(Path(name))
        with setup.serve(batching) as server:
            command = [sys.executable, "-m", "locust", "--locustfile", str(LOCUSTFILE)]
            command += ["--headless", "--only-summary", "--host", server.url]
            command += ["--users", str(users), "--spawn-rate", str(SPAWNED_PER_SECOND)]
            command += ["--run-time", f"{seconds}s", "--stop-timeout", "10"]
            command += ["--html", str(reports / REPORT)]
            environment = {
                **os.environ,
                FLIGHTS_VARIABLE: str(setup.workload.files[1]),
                "PYTHONPATH": str(PROJECT),
            }
            done = subprocess.run(  # noqa: S603 - locust, with arguments made here
                command,
                cwd=PROJECT,
                env=environment,
                check=False,
                timeout=seconds + GRACE_SECONDS,
            )
    raise typer.Exit(done.returncode)


if __name__ == "__main__":
    typer.run(main)
