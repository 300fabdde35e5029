"""Plan the capacity on Cloud Run and write docs/scale.md: instances, costs, waiting in a burst.

    python -m load.scenarios.capacity_plan                            with figures of capacity.json
    python -m load.scenarios.capacity_plan --load reports/load.json   of the last `make load`

The simulation takes steps of ten milliseconds. Requests arrive at random, wait in one queue, and
leave it in order, as fast as the ready instances can answer. The autoscaler acts as Cloud Run's
manual says. No instance stops, because Cloud Run keeps idle ones for up to 15 minutes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from load.reports import plots, report
from load.tools.server_process import PROJECT
from load.tools.stats import FloatArray
from model.reports.plots import standalone

INPUTS = Path(__file__).with_name("capacity.json")
PAGE, PICTURE = "scale.md", "scale-burst.svg"
STEP = 0.01  # seconds
AUTOSCALER = {"concurrency": 80, "target": 0.6, "window": 60.0, "interval": 2.0}
"""Requests per instance; share of the processor aimed at; seconds that are averaged; seconds
between decisions, which are not published: an assumption."""
MEMORY_GIB = 0.5
LARGEST = 20  # most instances of production: deploy/triggers/production.yaml
TRUSTED_SHARE = 0.5  # above it the open-loop generator, on the same cores, limits the result
STEADY = ((1, 0), (1, 1), (1_000, 1), (100_000, 1))  # requests per second, minimum instances
LOW, HIGH, KEPT = 1_000, 10_000, (1, 2, 3, 5)  # requests per second, minimum instances of the burst
EPSILON = 1e-6  # requests: sums of fractions are not exact
Phases = Sequence[tuple[float, float]]


class Inputs:
    """Figures of `capacity.json` (`file`), or of a `load.json` in their place, for one vCPU.

    `rate` and `bulk_rate` are requests, and flights in large requests, per second; `latency_ms` has
    ``p50`` and ``p99`` at shares (``use``) of the rate; `cold_start_s` has the extremes in seconds.
    """

    def __init__(self, measured: dict[str, Any] | None = None) -> None:
        self.file: dict[str, Any] = json.loads(INPUTS.read_text())
        for name, value in _of_load(measured).items() if measured else ():
            self.file[name]["value"] = value
        share, start = self.file["share_of_core"]["value"], self.file["cold_start_s"]
        self.rate: float = self.file["rate"]["value"] * share
        self.bulk_rate: float = self.file["bulk_rate"]["value"] * share
        slower, rows = {"use": 1, "p50": share, "p99": share}, self.file["latency_ms"]["value"]
        self.latency_ms = [{key: row[key] / by for key, by in slower.items()} for row in rows]
        self.cold_start_s: tuple[float, float] = start["low"], start["high"]

    def latency(self, name: str, use: float) -> float:
        """Return ``p50`` or ``p99`` in ms: interpolated, and extrapolated beyond the last point."""
        shares, values = ([row[key] for row in self.latency_ms] for key in ("use", name))
        slope = (values[-1] - values[-2]) / (shares[-1] - shares[-2])
        return float(np.interp(use, shares, values) + slope * max(0.0, use - shares[-1]))

    def price(self, kind: str = "") -> float:
        """Return dollars per second of an instance; the kind is empty or ``idle_``."""
        prices = self.file["prices"]
        return float(prices[f"{kind}cpu_second"] + prices[f"{kind}gib_second"] * MEMORY_GIB)

    def timeout(self) -> float:
        """Return the seconds that a request waits for an instance before it is refused (429)."""
        return max(10.0, 3.5 * sum(self.cold_start_s) / 2)

    def instances(self, rate: float, minimum: int = 0) -> int:
        """Return the instances that a steady rate needs at the autoscaler's target."""
        return max(1, minimum, math.ceil(rate / (AUTOSCALER["target"] * self.rate)))

    def cost_per_million(self, rate: float, minimum: int = 0) -> float:
        """Return dollars for a million requests at a steady rate, with idle minimum instances."""
        instances = self.instances(rate, minimum)
        share = billed_share(rate / instances)
        idle = min(minimum, instances) * (1 - share)
        second = instances * share * self.price() + idle * self.price("idle_")
        return float(second * 1e6 / rate + self.file["prices"]["million_requests"])


def _of_load(measured: dict[str, Any]) -> dict[str, Any]:
    alone = [{"share": 0.0, **run} for run in measured["closed"] if run["connections"] == 1]
    some = [run for run in measured["open"] if run["share"] <= TRUSTED_SHARE]
    rows = [{"use": run["share"], **run["latency_ms"]} for run in [*alone[:1], *some]]
    found = {"rate": measured["full_rate"], "bulk_rate": measured["bulk"]["served"]["median"]}
    found |= {"memory_mb": measured["memory_mb"]}
    return found | ({"latency_ms": rows} if len(rows) > 1 else {})


def billed_share(rate: float) -> float:
    """Return the share of time billed: at least .1 s per request, overlapping ones once."""
    return 1 - math.exp(-rate * 0.1)


@dataclass(frozen=True)
class Simulation:
    """Simulated run: time, requests, ready instances and latency of each step; all refusals."""

    seconds: FloatArray
    arrived: FloatArray
    ready: FloatArray
    latency_s: FloatArray
    refused: float

    def percentile_ms(self, share: float, start: float = 0.0) -> float:
        """Return the latency that a share of the requests from `start` on stays within."""
        keep = np.flatnonzero(self.seconds >= start)
        order = keep[np.argsort(self.latency_s[keep])]
        reached = np.cumsum(self.arrived[order])
        return float(self.latency_s[order][np.searchsorted(reached, share * reached[-1])] * 1000)

    def slowest_second(self) -> float:
        """Return the longest mean latency of a second, in seconds."""
        starts = np.arange(0, len(self.arrived), round(1 / STEP))
        waited = np.add.reduceat(self.latency_s * self.arrived, starts)
        return float(np.max(waited / np.maximum(np.add.reduceat(self.arrived, starts), 1)))


def simulate(
    inputs: Inputs, phases: Phases, limits: tuple[int, int] = (0, 100), warm: int = 0, seed: int = 0
) -> Simulation:
    """Simulate phases of (seconds, requests per second) with (fewest, most) instances.

    `warm` instances are ready at the start. Requests are a continuous quantity; the latency of a
    refused one is the time that it waited. Steps after the end let the queue empty.
    """
    random, timeout = np.random.default_rng(seed), round(inputs.timeout() / STEP)
    arrived = np.concatenate([random.poisson(n * STEP, round(time / STEP)) for time, n in phases])
    came, steps, one = np.cumsum(arrived), len(arrived), inputs.rate * STEP
    running, starting, refused = max(warm, limits[0]), list[float](), 0.0
    left, ready, busy = [0.0], list[int](), list[float]()
    while (step := len(ready)) < steps or left[-1] < came[-1] - EPSILON:
        running += sum(at <= step for at in starting)
        starting = [at for at in starting if at > step]
        queue = came[min(step, steps - 1)] - left[-1]
        done = min(queue, running * one)
        overdue = came[min(step - timeout, steps) - 1] - left[-1] if step > timeout else 0.0
        gone = max(done, overdue)
        refused += gone - done
        left.append(left[-1] + gone)
        busy.append(done / one)
        ready.append(running)
        outside = (queue - gone) / AUTOSCALER["concurrency"] - running
        wanted = running + math.ceil(outside) if outside > 0 else 0  # started at once
        if step % round(AUTOSCALER["interval"] / STEP) == 0:
            average = np.mean(busy[-round(AUTOSCALER["window"] / STEP) :]) if step else 0
            wanted = max(wanted, limits[0], math.ceil(average / AUTOSCALER["target"]))
        for _ in range(min(wanted, limits[1]) - running - len(starting)):
            starting.append(step + random.uniform(*inputs.cold_start_s) / STEP)
    median = came - np.maximum(arrived / 2, EPSILON)  # of the requests of each step
    waited = np.maximum(np.searchsorted(left[1:], median) - np.arange(steps), 0) * STEP
    seconds, able = np.arange(steps, dtype=np.float64) * STEP, np.array(ready[:steps], float)
    latency = waited + inputs.latency("p50", 0) / 1000
    return Simulation(seconds, arrived.astype(float), able, latency, float(refused))


def _steady_row(inputs: Inputs, rate: float, kept: int) -> dict[str, float]:
    row = {"rate": rate, "kept": kept, "instances": (instances := inputs.instances(rate))}
    use, waited = rate / (instances * inputs.rate), 0.0 if kept else sum(inputs.cold_start_s) / 2
    row |= {f"{name}_ms": inputs.latency(name, use) for name in ("p50", "p99")}
    return row | {"cost": inputs.cost_per_million(rate, kept), "waited_s": waited}


def _burst_row(kept: int, run: Simulation) -> dict[str, float]:
    late = float(run.arrived[run.latency_s > 1].sum() / run.arrived.sum())
    row = {"p50_ms": run.percentile_ms(0.5, 60), "p99_ms": run.percentile_ms(0.99, 60)}
    row |= {"slowest_s": run.slowest_second(), "late": late, "refused": run.refused}
    return {"kept": kept, **row, "most": float(run.ready.max())}


def main(
    load: Annotated[Path | None, typer.Option(help="A load.json to take figures from.")] = None,
    docs: Annotated[Path, typer.Option(help="Folder to write to.")] = PROJECT / "docs",
) -> None:
    """Simulate, and write the plan with its tables and picture."""
    inputs = Inputs(json.loads(load.read_text()) if load else None)
    phases = (60, LOW), (60, HIGH)
    warm = {kept: inputs.instances(LOW, kept) for kept in KEPT}
    bursts = {kept: simulate(inputs, phases, (kept, LARGEST), n) for kept, n in warm.items()}
    lines = {kept: (run.ready * inputs.rate, run.latency_s) for kept, run in bursts.items()}
    picture = plots.burst(bursts[KEPT[0]].seconds - 60, bursts[KEPT[0]].arrived / STEP, lines)
    (docs / PICTURE).write_text(standalone(picture))
    steady = [_steady_row(inputs, *each) for each in STEADY]
    page = {"inputs": inputs, "autoscaler": AUTOSCALER, "picture": PICTURE, "steady": steady}
    page |= {"bursts": [_burst_row(*each) for each in bursts.items()], "largest": LARGEST}
    (docs / PAGE).write_text(report.render("scale.md.jinja", low=LOW, high=HIGH, **page))


if __name__ == "__main__":
    typer.run(main)
