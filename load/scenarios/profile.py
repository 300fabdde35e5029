"""Where a request's microseconds go: `python -m load.scenarios.profile`, `make profile`.

py-spy looks at the worker some hundred times a second while wrk keeps it busy, and every look is
attributed to the innermost part of the service, or of what it stands on, that was at work. Work
that happens in C counts for the Python function that called it.
"""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from data.load import load_flights
from load.reports import report
from load.tools import environment, measure, wrk
from load.tools.payloads import Workload, make_workload
from load.tools.server_process import PROJECT, Probe, Server, ServerError, process_name, service
from serving.models import store
from serving.settings import Batching, settings

logger = logging.getLogger("load")

LOOKS_PER_SECOND = 250
TOP_FUNCTIONS = 25
CONNECTIONS = 64

STAGES = (
    ("predict", ("model/",)),
    ("features", ("features/",)),
    ("parse and validate", ("serving/contract/schema.py", "serving/contract/decoding.py:decode")),
    ("columns", ("serving/contract/decoding.py",)),
    ("encode", ("serving/contract/encoding.py",)),
    ("batching", ("serving/batching/engines.py", "serving/batching/adaptive.py")),
    (
        "server: HTTP",
        (
            "uvicorn/",
            "httptools/",
            *(f"serving/{n}.py" for n in ("connection", "protocol", "transport", "sweeper")),
        ),
    ),
    ("metrics", ("prometheus_client/", "serving/metrics.py")),
    ("front door", ("serving/", "service.py")),
    ("server: event loop", ("asyncio/", "uvloop/")),
    ("framework", ("bentoml/", "_bentoml_impl/", "_bentoml_sdk/", "starlette/", "simple_di/")),
)
"""Stages and the files, or files and functions, that belong to them; the first that fits counts.

What is not named, such as numpy and `data/flights.py`, counts for whoever called it.
"""
OTHER = "other"

Stack = tuple[str, ...]


def main(
    seconds: Annotated[int, typer.Option(help="Of each run.", min=1)] = 15,
    connections: Annotated[str, typer.Option(help="For the batch sizes.")] = "1,8,64,256,400",
    batching: Annotated[Batching, typer.Option(help="Engine to look at.")] = Batching.INLINE,
    quick: Annotated[bool, typer.Option(help="Two seconds each; leaves docs/ alone.")] = False,
    reports: Annotated[Path, typer.Option(help="Folder for profile.json.")] = Path("reports"),
) -> None:
    """Profile one worker under load; write profile.json and docs/performance.md."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    wrk.install()
    counts = [int(each) for each in connections.split(",")]
    with tempfile.TemporaryDirectory(prefix="flight-delay-profile-") as folder:
        result = profile_all(counts, 2 if quick else seconds, batching.value, Path(folder))
    reports.mkdir(parents=True, exist_ok=True)
    (reports / report.PROFILE_JSON).write_text(json.dumps(result, indent=1) + "\n")
    for stage in result["stages"]:
        logger.info("%5.1f %%  %6.1f us  %s", 100 * stage["share"], stage["us"], stage["name"])
    if not quick:
        report.write_table(PROJECT / "docs", result, report.PROFILE_TABLE)


def profile_all(counts: list[int], seconds: int, batching: str, folder: Path) -> dict[str, Any]:
    """Profile at 64 connections, then count batch sizes at each number of connections."""
    tag, bundle = store.read(settings().model, threads=1)
    header = environment.header("load.scenarios.profile", tag, bundle.predictor)
    workload = make_workload(load_flights(), folder)
    probe = Probe(wrk.PREDICT_PATH, workload.bodies()[0])
    with service(probe, folder / "log", batching=batching) as server:
        measure.short_round(server, workload.files[1], CONNECTIONS, 1)
        profiled, stacks = _profile(server, workload, seconds, folder / "stacks")
        runs = _by_load(server, workload, counts, seconds)
    engines = {batching: runs}
    for other in (each.value for each in Batching if each.value != batching):
        with service(probe, folder / "log", batching=other) as server:
            measure.short_round(server, workload.files[1], CONNECTIONS, 1)
            engines[other] = _by_load(server, workload, counts, seconds)
    worker_us = profiled["cores"]["worker"] / profiled["rate"] * 1e6
    return {
        **header,
        "batching": batching,
        "connections": CONNECTIONS,
        "seconds": seconds,
        "rate": profiled["rate"],
        "worker_us": worker_us,
        "looks": sum(stacks.values()),
        "stages": _table(by_stage(stacks), worker_us),
        "functions": _table(by_function(stacks), worker_us)[:TOP_FUNCTIONS],
        "batches": runs,
        "engines": engines,
    }


def _by_load(
    server: Server, workload: Workload, counts: list[int], seconds: int
) -> list[dict[str, Any]]:
    return [measure.closed_loop(server, workload, count, seconds) for count in counts]


def read_stacks(text: str) -> Counter[Stack]:
    """Read py-spy's raw format: per line the frames, outermost first, and how often seen."""
    stacks: Counter[Stack] = Counter()
    for line in text.splitlines():
        frames, _, count = line.rpartition(" ")
        stacks[tuple(map(_place, frames.split(";")))] += int(count)
    return stacks


def by_stage(stacks: Counter[Stack]) -> Counter[str]:
    """How often each stage was at work."""
    found: Counter[str] = Counter()
    for stack, count in stacks.items():
        found[stage_of(stack)] += count
    return found


def by_function(stacks: Counter[Stack]) -> Counter[str]:
    """How often each function was itself at work, and not one that it called."""
    found: Counter[str] = Counter()
    for stack, count in stacks.items():
        found[stack[-1]] += count
    return found


def stage_of(stack: Stack) -> str:
    """The stage of the innermost frame that belongs to one."""
    names = (name for place in reversed(stack) for name in _stages_of(place))
    return next(names, OTHER)


def _stages_of(place: str) -> Iterator[str]:
    for name, beginnings in STAGES:
        if place.startswith(beginnings):
            yield name


def _place(frame: str) -> str:
    """``package/module.py:function`` of a frame that py-spy writes ``function (path:line)``."""
    function, _, path = frame.rpartition(" (")
    path = path.rstrip(")").rpartition(":")[0] or path.rstrip(")")
    for root in (f"{PROJECT}/", "site-packages/", "python3.11/"):
        _, found, rest = path.rpartition(root)
        path = rest if found else path
    return f"{path}:{function}"


def _table(counted: Counter[str], total_us: float) -> list[dict[str, Any]]:
    looks = sum(counted.values())
    return [
        {"name": name, "share": count / looks, "us": count / looks * total_us}
        for name, count in counted.most_common()
    ]


def _profile(
    server: Server, workload: Workload, seconds: int, path: Path
) -> tuple[dict[str, Any], Counter[Stack]]:
    worker = next(pid for pid in server.pids if process_name(pid) == "worker")
    looking = _py_spy(worker, seconds, path)
    run = measure.closed_loop(server, workload, CONNECTIONS, seconds + 1)
    said, _ = looking.communicate(timeout=60)
    if looking.returncode != 0:
        message = f"py-spy failed:\n{said}"
        raise ServerError(message)
    return run, read_stacks(path.read_text())


def _py_spy(pid: int, seconds: int, path: Path) -> subprocess.Popen[str]:
    beside = Path(sys.executable).with_name("py-spy")
    found = str(beside) if beside.exists() else shutil.which("py-spy")
    if found is None:
        message = "py-spy is not installed: it comes with the development environment"
        raise ServerError(message)
    options = f"--duration {seconds} --rate {LOOKS_PER_SECOND} --format raw --full-filenames"
    command = [found, "record", *options.split(), "--pid", str(pid), "--output", str(path)]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # noqa: S603 - py-spy


if __name__ == "__main__":
    typer.run(main)
