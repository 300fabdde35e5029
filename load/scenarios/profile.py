"""Profile the worker by stage of a request: `python -m load.scenarios.profile`, `make profile`.

py-spy samples the worker's stack while wrk keeps it busy. Every sample counts for the innermost
part of the service, or of its libraries, on the stack. Work in C counts for the calling Python
function.
"""

from __future__ import annotations

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

from load.reports import report
from load.tools import measure, wrk
from load.tools.payloads import Workload
from load.tools.server_process import PROJECT, Server, ServerError, process_name
from load.tools.setup import Setup
from serving.settings import Batching

logger = logging.getLogger("load")

SAMPLES_PER_SECOND = 250
TOP_FUNCTIONS = 25
CONNECTIONS = 64

STAGES = (
    ("predict", ("model/",)),
    ("features", ("features/",)),
    ("parse and validate", ("serving/contract/schema.py", "serving/contract/decoding.py:decode")),
    ("columns", ("serving/contract/decoding.py",)),
    ("encode", ("serving/contract/encoding.py",)),
    ("batching", ("serving/batching/engines.py", "serving/batching/adaptive.py")),
    ("server: HTTP", ("uvicorn/", "httptools/", "serving/http/")),
    ("metrics", ("prometheus_client/", "serving/metrics.py")),
    ("application", ("serving/", "service.py")),
    ("server: event loop", ("asyncio/", "uvloop/")),
    ("framework", ("bentoml/", "_bentoml_impl/", "_bentoml_sdk/", "starlette/", "simple_di/")),
)
"""Stages with their files, or files and functions; the first match counts.

A file that is not listed, such as those of numpy and `data/flights.py`, counts for its caller.
"""
OTHER = "other"

Stack = tuple[str, ...]


def main(
    seconds: Annotated[int, typer.Option(help="Of each run.", min=1)] = 15,
    connections: Annotated[str, typer.Option(help="For the batch sizes.")] = "1,8,64,256,400",
    batching: Annotated[Batching, typer.Option(help="Engine to profile.")] = Batching.INLINE,
    quick: Annotated[bool, typer.Option(help="Two seconds each; leaves docs/ alone.")] = False,
    reports: Annotated[Path, typer.Option(help="Folder for profile.json.")] = Path("reports"),
) -> None:
    """Profile one worker under load; write profile.json and docs/performance.md."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    wrk.install()
    counts = [int(each) for each in connections.split(",")]
    with tempfile.TemporaryDirectory(prefix="flight-delay-profile-") as folder:
        result = profile_all(counts, 2 if quick else seconds, batching.value, Path(folder))
    report.save(result, report.PROFILE_TABLE, reports, docs=not quick)
    for stage in result["stages"]:
        logger.info("%5.1f %%  %6.1f us  %s", 100 * stage["share"], stage["us"], stage["name"])


def profile_all(counts: list[int], seconds: int, batching: str, folder: Path) -> dict[str, Any]:
    """Profile at 64 connections, then measure batch sizes at each number of connections."""
    setup = Setup.make(folder)
    header, workload = setup.header("load.scenarios.profile"), setup.workload
    with setup.serve(batching) as server:
        measure.short_round(server, workload.files[1], CONNECTIONS, 1)
        profiled, stacks = _profile(server, workload, seconds, folder / "stacks")
        runs = _by_load(server, workload, counts, seconds)
    engines = {batching: runs}
    for other in (each.value for each in Batching if each.value != batching):
        with setup.serve(other) as server:
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
    """Read py-spy's raw format: per line the frames, outermost first, and the sample count."""
    stacks: Counter[Stack] = Counter()
    for line in text.splitlines():
        frames, _, count = line.rpartition(" ")
        stacks[tuple(map(_place, frames.split(";")))] += int(count)
    return stacks


def by_stage(stacks: Counter[Stack]) -> Counter[str]:
    """Count the samples of each stage."""
    found: Counter[str] = Counter()
    for stack, count in stacks.items():
        found[stage_of(stack)] += count
    return found


def by_function(stacks: Counter[Stack]) -> Counter[str]:
    """Count the samples of each function, without those of the functions that it called."""
    found: Counter[str] = Counter()
    for stack, count in stacks.items():
        found[stack[-1]] += count
    return found


def stage_of(stack: Stack) -> str:
    """Return the stage of the innermost frame that has one."""
    names = (name for place in reversed(stack) for name in _stages_of(place))
    return next(names, OTHER)


def _stages_of(place: str) -> Iterator[str]:
    for name, prefixes in STAGES:
        if place.startswith(prefixes):
            yield name


def _place(frame: str) -> str:
    """Convert py-spy's ``function (path:line)`` to ``package/module.py:function``."""
    function, _, path = frame.rpartition(" (")
    path = path.rstrip(")").rpartition(":")[0] or path.rstrip(")")
    for root in (f"{PROJECT}/", "site-packages/", "python3.11/"):
        _, found, rest = path.rpartition(root)
        path = rest if found else path
    return f"{path}:{function}"


def _table(counted: Counter[str], total_us: float) -> list[dict[str, Any]]:
    samples = sum(counted.values())
    return [
        {"name": name, "share": count / samples, "us": count / samples * total_us}
        for name, count in counted.most_common()
    ]


def _profile(
    server: Server, workload: Workload, seconds: int, path: Path
) -> tuple[dict[str, Any], Counter[Stack]]:
    worker = next(pid for pid in server.pids if process_name(pid) == "worker")
    sampling = _py_spy(worker, seconds, path)
    run = measure.closed_loop(server, workload, CONNECTIONS, seconds + 1)
    output, _ = sampling.communicate(timeout=60)
    if sampling.returncode != 0:
        message = f"py-spy failed:\n{output}"
        raise ServerError(message)
    return run, read_stacks(path.read_text())


def _py_spy(pid: int, seconds: int, path: Path) -> subprocess.Popen[str]:
    beside = Path(sys.executable).with_name("py-spy")
    found = str(beside) if beside.exists() else shutil.which("py-spy")
    if found is None:
        message = "py-spy is not installed: it comes with the development environment"
        raise ServerError(message)
    options = f"--duration {seconds} --rate {SAMPLES_PER_SECOND} --format raw --full-filenames"
    command = [found, "record", *options.split(), "--pid", str(pid), "--output", str(path)]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # noqa: S603 - py-spy


if __name__ == "__main__":
    typer.run(main)
