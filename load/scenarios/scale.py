"""Writes the plan to scale: docs/scale.md and its picture.

python -m load.scenarios.scale                            with those of capacity.json
python -m load.scenarios.scale --load reports/load.json   with those of the last `make load`
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Annotated, Any

import matplotlib as mpl
import numpy as np
import typer
from matplotlib.figure import Figure

from load.reports import report
from load.scenarios import capacity_plan
from load.scenarios.capacity_plan import Inputs, Phase, Platform, Simulation
from load.tools.server_process import PROJECT
from load.tools.stats import FloatArray
from model.reports.plots import PALETTE

STEADY = ((1, 0), (1, 1), (1_000, 1), (100_000, 1))
"""Requests a second, and instances that are always kept."""
LOW, HIGH = 1_000, 10_000
"""Requests a second before and in the burst."""
KEPT = (1, 2, 3, 5)
"""Minimum instances that the burst is tried with."""
SMOOTH = 0.2
"""Seconds over which arrivals are averaged in the picture."""
COLOURS = ("blue", "orange", "green", "purple")
PAGE, PICTURE = "scale.md", "scale-burst.svg"
BURST = 60.0
SHOWN = (-1.0, 8.0)
"""Seconds from the burst on that the picture shows."""

Bursts = Mapping[int, Simulation]


def main(
    load: Annotated[Path | None, typer.Option(help="A load.json to take figures from.")] = None,
    docs: Annotated[Path, typer.Option(help="Folder to write to.")] = PROJECT / "docs",
) -> None:
    """Simulate, and write the plan with its tables and picture."""
    measured = json.loads(load.read_text()) if load else None
    inputs = Inputs.read(measured=measured)
    bursts = {kept: capacity_plan.burst(inputs, kept, LOW, HIGH) for kept in KEPT}
    (docs / PICTURE).write_text(draw(bursts, inputs.rate))
    (docs / PAGE).write_text(report.render("scale.md.jinja", **figures(inputs, bursts)))


def figures(inputs: Inputs, bursts: Bursts) -> dict[str, Any]:
    """Everything that the page tells in numbers."""
    platform = Platform()
    return {
        "inputs": inputs,
        "file": json.loads(capacity_plan.INPUTS.read_text()),
        "platform": platform,
        "steady": [_steady(inputs, rate, kept) for rate, kept in STEADY],
        "bursts": [_burst(kept, run) for kept, run in bursts.items()],
        "low": LOW,
        "high": HIGH,
        "largest": capacity_plan.LARGEST,
        "picture": PICTURE,
        "idle_month": capacity_plan.idle_month(inputs, platform),
        "bulk": capacity_plan.bulk_cost_per_million(inputs, platform),
        "patience": platform.patience(inputs),
    }


def draw(bursts: Bursts, rate: float) -> str:
    """Draw the burst as SVG: what instances can do, and how long requests wait.

    Parameters
    ----------
    rate
        Requests per second of one instance.
    """
    style: dict[Any, Any] = {"svg.hashsalt": PICTURE, "font.size": 9.0, "svg.fonttype": "path"}
    with mpl.rc_context(style):
        figure = Figure(figsize=(7, 4.6), layout="constrained")
        able, waiting = figure.subplots(2, 1, sharex=True)
        some = next(iter(bursts.values()))
        asked = _per_second(some.arrived) / 1000
        able.plot(*_window(some, asked), color=PALETTE["ink"][0], ls=":", label="asked for")
        for (kept, run), colour in zip(bursts.items(), COLOURS, strict=True):
            look: dict[str, Any] = {"color": PALETTE[colour][0], "lw": 1.6}
            able.plot(*_window(run, run.ready * rate / 1000), label=f"{kept} kept", **look)
            waiting.plot(*_window(run, run.latency_s), label=f"{kept} kept", **look)
        able.set(ylabel="1,000 requests/s", ylim=(0, None))
        waiting.set(
            ylabel="seconds to the answer", xlabel="seconds from the burst on", yscale="log"
        )
        able.legend(loc="center right")
        for axes in (able, waiting):
            axes.grid(color=PALETTE["grid"][0])
            axes.spines[["top", "right"]].set_visible(False)
        return _svg(figure)


def _svg(figure: Figure) -> str:
    text = StringIO()
    figure.savefig(text, format="svg", facecolor="white", metadata={"Date": None})
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def _window(run: Simulation, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    start, end = SHOWN
    seconds = run.seconds - BURST
    shown = (seconds >= start) & (seconds < end)
    return seconds[shown], values[shown]


def _per_second(counts: FloatArray) -> FloatArray:
    width = round(SMOOTH / capacity_plan.STEP)
    return np.convolve(counts, np.ones(width) / SMOOTH, mode="same").astype(np.float64)


def _steady(inputs: Inputs, rate: float, kept: int) -> dict[str, Any]:
    """One row of the table of steady rates."""
    instances = capacity_plan.steady_instances(inputs, Platform(), rate)
    platform = Platform(minimum=kept, maximum=2 * instances)
    seconds = 60 if rate < 10 else 10
    warm = instances if rate > 10 else kept
    run = capacity_plan.simulate(inputs, platform, [Phase(seconds, rate)], warm=warm)
    return {
        "rate": rate,
        "kept": kept,
        "instances": instances,
        "whole": capacity_plan.steady_instances(
            replace(inputs, rate=inputs.rate * 2), Platform(), rate
        ),
        "cost": capacity_plan.cost_per_million(inputs, platform, rate),
        "p50_ms": inputs.latency("p50", rate / (instances * inputs.rate)),
        "p99_ms": inputs.latency("p99", rate / (instances * inputs.rate)),
        "waited_s": max(0.0, float(np.nanmax(run.latency_s)) - inputs.latency("p50", 0) / 1000),
    }


def _burst(kept: int, run: Simulation) -> dict[str, Any]:
    return {
        "kept": kept,
        "p50_ms": run.percentile_ms(0.5, 60),
        "p99_ms": run.percentile_ms(0.99, 60),
        "slowest_s": run.slowest_second(),
        "late": run.slower_than(1.0),
        "refused": int(run.refused.sum()),
        "most": int(run.ready.max()),
    }


if __name__ == "__main__":
    typer.run(main)
