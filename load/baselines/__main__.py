"""Measure the service and its baselines side by side: `make load-peers`."""

from __future__ import annotations

import json
import logging
import math
import os
import re
import shlex
import subprocess
import tempfile
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer

from data.load import load_flights
from load.baselines.catalogue import BASELINES, BY_KEY, REFERENCES, Baseline
from load.baselines.servers.shared import FOLDER_VARIABLE
from load.baselines.virtualenv import BaselineError, interpreter, versions
from load.reports import report
from load.tools import environment, measure, wrk
from load.tools.payloads import Flight, distinct_flights
from load.tools.server_process import PROJECT, Probe, Server, ServerError
from load.tools.stats import summary
from serving.contract.decoding import to_flights
from serving.contract.schema import PredictionRequest
from serving.models import store
from serving.settings import settings

logger = logging.getLogger("load")

FLIGHTS = 20_000
CONNECTIONS = 64
WARM_UP_SECONDS = 1
START_LIMIT = 90
TOLERANCE = 1e-9
FAILURES = (BaselineError, ServerError, wrk.WrkError, OSError, subprocess.SubprocessError)
_NUMBER = re.compile(r"-?\d+\.\d+(?:[eE][+-]?\d+)?")


@dataclass
class Found:
    """Measurements of one baseline per round, or the reason why there are none."""

    baseline: Baseline
    versions: dict[str, str] = field(default_factory=dict)
    rounds: list[dict[str, float]] = field(default_factory=list)
    reason: str = ""


def main(
    only: Annotated[str, typer.Option(help="Comma-separated; all by default.")] = "",
    rounds: Annotated[int, typer.Option(help="Interleaved rounds.", min=1)] = 5,
    seconds: Annotated[int, typer.Option(help="Of each run of wrk.", min=1)] = 5,
    quick: Annotated[bool, typer.Option(help="One short round; leaves docs/ alone.")] = False,
    reports: Annotated[Path, typer.Option(help="Folder for peers.json.")] = Path("reports"),
) -> None:
    """Measure the baselines side by side and write peers.json and docs/peers.md."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    wrk.install()
    chosen = [BY_KEY[key] for key in only.split(",")] if only else list(BASELINES)
    if quick:
        rounds, seconds = 1, 2
    with tempfile.TemporaryDirectory(prefix="flight-delay-baselines-") as folder:
        result = measure_all(chosen, rounds, seconds, Path(folder))
    report.save(result, report.BASELINES_TABLE, reports, docs=not quick)


def measure_all(
    baselines: list[Baseline], rounds: int, seconds: int, folder: Path
) -> dict[str, Any]:
    """Measure every baseline once per round, in a new process, in alternating order."""
    dataset = load_flights()
    bench = Bench(distinct_flights(dataset.frame, FLIGHTS), folder)
    header = environment.header("load.baselines", bench.tag, bench.predictor, ("lightgbm", "numpy"))
    found = [Found(baseline) for baseline in baselines]
    for number in range(rounds):
        for each in found if number % 2 == 0 else found[::-1]:
            if not each.reason:
                bench.measure(each, seconds)
    return {
        **header,
        "workload": {
            "origin": dataset.origin,
            "is_sample": dataset.is_sample,
            "flights": len(bench.flights),
        },
        "plan": {"rounds": rounds, "seconds": seconds, "connections": CONNECTIONS},
        "peers": [to_json(each, found) for each in found],
    }


class Bench:
    """Benchmark that gives all baselines the same model, flights and steps."""

    def __init__(self, flights: list[Flight], folder: Path) -> None:
        self.tag, bundle = store.read(settings().model, threads=1)
        self.predictor = bundle.predictor
        self.flights = flights
        self._folder = folder
        self._model_folder = str(store.find(self.tag).path)
        request = PredictionRequest.model_validate_json(json.dumps({"flights": flights[:1]}))
        scored = self.predictor.predict(to_flights(request.flights))
        self._expected = float(scored.probability[0])

    def measure(self, found: Found, seconds: int) -> None:
        """Measure a baseline once more, or record the reason why it cannot be measured."""
        baseline = found.baseline
        try:
            python = interpreter(baseline.requirements)
            found.versions = found.versions or versions(python, baseline.packages)
            found.rounds.append(self._round(baseline, python, seconds))
        except FAILURES as error:
            logger.warning("%-10s cannot be measured: %s", baseline.key, error)
            found.reason = self._without_folders(_in_short(str(error)))
            return
        last = found.rounds[-1]
        logger.info(
            "%-10s %8.0f requests/s  p50 %7.2f ms  p99 %8.2f ms  %3d failed"
            "  %4.0f MB  start %.1f s",
            *(baseline.key, last["rate"], last["p50_ms"], last["p99_ms"], last["failed"]),
            *(last["memory_mb"], last["start_seconds"]),
        )

    def _round(self, baseline: Baseline, python: Path, seconds: int) -> dict[str, float]:
        payloads = self._payloads(baseline)
        folder = self._folder / baseline.key
        folder.mkdir(exist_ok=True)
        places = {"{python}": str(python), "{bin}": str(python.parent), "{folder}": str(folder)}
        variables = {
            "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(PROJECT),
            FOLDER_VARIABLE: self._model_folder,
            **baseline.variables,
        }
        if baseline.prepare and not (folder / "model").exists():
            _prepare(_filled(baseline.prepare, places), variables)
        with payloads.open("rb") as lines:
            probe = Probe(baseline.path, next(lines).rstrip())
        server = Server(
            _filled(baseline.command, places),
            probe,
            folder / "log",
            environment=variables,
            start_limit=START_LIMIT,
        )
        with server:
            if baseline.scores:
                _check(server, probe, self._expected)
            return _measured(server, payloads, baseline.path, seconds)

    def _payloads(self, baseline: Baseline) -> Path:
        path = self._folder / f"{baseline.payload.__name__}.jsonl"
        if not path.exists():
            lines = (json.dumps(baseline.payload([flight])) for flight in self.flights)
            path.write_text("".join(f"{line}\n" for line in lines))
        return path

    def _without_folders(self, text: str) -> str:
        """Replace folders of this machine, because the text is published."""
        for folder in (str(self._folder), str(PROJECT), str(Path.home())):
            text = text.replace(folder, "…")
        return text


def to_json(found: Found, everyone: list[Found]) -> dict[str, Any]:
    """Return one baseline's medians, ranges and ratios; `reason` where it has none."""
    baseline = found.baseline
    names = found.rounds[0] if found.rounds else ()
    return {
        "key": baseline.key,
        "name": baseline.name,
        "versions": found.versions,
        "command": baseline.command.replace("{bin}/", "").replace("{python}", "python"),
        "reason": found.reason,
        **{name: summary([each[name] for each in found.rounds]) for name in names},
        "of": {
            each.baseline.key: paired_ratio(found.rounds, each.rounds)
            for each in everyone
            if each.baseline.key in REFERENCES
        },
    }


def paired_ratio(rounds: list[dict[str, float]], others: list[dict[str, float]]) -> float | None:
    """Return the median, over the rounds, of the ratio of both rates in a round."""
    ratios = [
        mine["rate"] / theirs["rate"]
        for mine, theirs in zip(rounds, others, strict=False)
        if theirs["rate"]
    ]
    return median(ratios) if ratios else None


def has_number(text: str, expected: float) -> bool:
    """Return whether a text holds a number that equals this one within `TOLERANCE`."""
    return any(
        math.isclose(float(each), expected, rel_tol=0, abs_tol=TOLERANCE)
        for each in _NUMBER.findall(text)
    )


def _in_short(text: str) -> str:
    """Return the first and the last line of an error message."""
    lines = text.strip().splitlines() or ["no reason was given"]
    return lines[0] if len(lines) == 1 else f"{lines[0]} {lines[-1].strip()}"


def _measured(server: Server, payloads: Path, path: str, seconds: int) -> dict[str, float]:
    measure.short_round(server, payloads, CONNECTIONS, WARM_UP_SECONDS, path)
    many = measure.short_round(server, payloads, CONNECTIONS, seconds, path)
    memory = server.memory_mb()
    one = measure.short_round(server, payloads, 1, seconds, path)
    return {
        **many,
        "p50_of_one_ms": one["p50_ms"],
        "failed": many["failed"] + one["failed"],
        "memory_mb": memory,
        "start_seconds": server.start_seconds,
    }


def _check(server: Server, probe: Probe, expected: float) -> None:
    """Check that the server answers with the probability of the same model."""
    request = urllib.request.Request(  # noqa: S310 - loopback
        server.url + probe.path, probe.body, {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
        text = answer.read().decode()
    if not has_number(text, expected):
        message = f"the answer {text[:200]!r} does not contain the model's {expected!r}"
        raise BaselineError(message)


def _filled(command: str, places: dict[str, str]) -> list[str]:
    for name, value in places.items():
        command = command.replace(name, value)
    return shlex.split(command)


def _prepare(command: list[str], variables: dict[str, str]) -> None:
    done = subprocess.run(  # noqa: S603 - the catalogue's own
        command,
        cwd=PROJECT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=START_LIMIT,
    )
    if done.returncode != 0:
        raise BaselineError(done.stderr[-2000:])


if __name__ == "__main__":
    typer.run(main)
