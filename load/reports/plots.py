"""Draw the pictures of the load report and of the capacity plan as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from load.tools.stats import FloatArray
from model.reports.plots import PALETTE, picture

PERCENTILE_COLOURS = {"p50": "blue", "p90": "green", "p99": "orange", "p999": "purple"}
PROCESS_COLOURS = ("blue", "orange", "green", "purple", "red", "muted")
SHOWN_CORES = 0.005
"""Cores below which a process is left out of the picture."""
BURST_SECONDS = (-1.0, 8.0)
"""Seconds from the burst on that the picture of the capacity plan shows."""
SMOOTHED_STEPS = 20
"""Steps of the simulation over which arrivals are averaged in it."""

Rows = Sequence[dict[str, Any]]


@picture(height=2.6)
def throughput(figure: Figure, runs: Rows) -> None:
    """Draw requests per second by number of connections."""
    axes = figure.add_subplot(xlabel="connections", ylabel="requests/s")
    bars = axes.bar(_positions(runs), [run["rate"] for run in runs], 0.6, color=_colour("blue"))
    axes.bar_label(bars, fmt="{:,.0f}", padding=2)
    axes.margins(y=0.15)
    _connections_axis(axes, runs)


@picture(height=3.0)
def latency(figure: Figure, runs: Rows) -> None:
    """Draw latency percentiles by number of connections."""
    axes = figure.add_subplot(xlabel="connections", ylabel="milliseconds", yscale="log")
    for name, colour in PERCENTILE_COLOURS.items():
        values = [run["latency_ms"][name] for run in runs]
        axes.plot(_positions(runs), values, marker="o", color=_colour(colour), label=_words(name))
    _plain_numbers(axes)
    axes.legend(loc="upper left")
    _connections_axis(axes, runs)


@picture(height=3.0)
def over_time(figure: Figure, runs: Rows) -> None:
    """Draw the latency of each second of the open-loop runs: p50 solid, p99 dashed."""
    axes = figure.add_subplot(xlabel="seconds", ylabel="milliseconds", yscale="log")
    for run, colour in zip(runs, PROCESS_COLOURS, strict=False):
        seconds = [row["second"] for row in run["seconds"]]
        for name, dashes in (("p50", "-"), ("p99", (0, (4, 1.5)))):
            axes.plot(
                seconds,
                [row[name] for row in run["seconds"]],
                color=_colour(colour),
                linestyle=dashes,
                label=f"{run['share']:.0%} of the rate, {name}",
            )
    _plain_numbers(axes)
    figure.legend(loc="outside upper center", ncols=2)


@picture(height=2.8)
def cores(figure: Figure, runs: Rows) -> None:
    """Draw the cores that each process keeps busy, by number of connections."""
    axes = figure.add_subplot(xlabel="connections", ylabel="cores")
    names = sorted({n for run in runs for n, used in run["cores"].items() if used > SHOWN_CORES})
    bottom = [0.0] * len(runs)
    for name, colour in zip(names, PROCESS_COLOURS, strict=False):
        used = [run["cores"].get(name, 0.0) for run in runs]
        axes.bar(_positions(runs), used, 0.6, bottom, color=_colour(colour), label=name)
        bottom = [low + more for low, more in zip(bottom, used, strict=True)]
    figure.legend(loc="outside upper center", ncols=4)
    _connections_axis(axes, runs)


@picture(height=3.0)
def batches(figure: Figure, runs: Rows) -> None:
    """Draw the share of the batches by their size, one line for each number of connections."""
    axes = figure.add_subplot(xlabel="flights in one batch, at most", ylabel="share of batches")
    for run, colour in zip(runs, PROCESS_COLOURS, strict=False):
        sizes = {bound: n for bound, n in run["batches"]["up_to"].items() if bound != "+Inf"}
        total = run["batches"]["count"] or 1
        labels = [f"{float(bound):g}" for bound in sizes]
        axes.plot(
            range(len(sizes)),
            [n / total for n in sizes.values()],
            marker="o",
            color=_colour(colour),
            label=f"{run['connections']} connections",
        )
        axes.set_xticks(range(len(sizes)), labels)
    axes.legend(loc="upper right")


@picture(height=2.8)
def engines(figure: Figure, rows: Rows) -> None:
    """Draw the requests per second of the batching engines, with the range of the rounds."""
    axes = figure.add_subplot(xlabel="requests/s, 64 connections")
    shown = [row for row in rows if row["connections"] != 1][::-1]
    middle = [row["rate"]["median"] for row in shown]
    low = [row["rate"]["median"] - row["rate"]["low"] for row in shown]
    high = [row["rate"]["high"] - row["rate"]["median"] for row in shown]
    axes.barh(
        [row["engine"] for row in shown],
        middle,
        0.6,
        xerr=[low, high],
        color=_colour("blue"),
        ecolor=_colour("ink"),
    )
    axes.grid(visible=False, axis="y")


@picture(height=4.6)
def burst(
    figure: Figure,
    seconds: FloatArray,
    asked: FloatArray,
    runs: Mapping[int, tuple[FloatArray, FloatArray]],
) -> None:
    """Draw what instances can answer and how long requests wait, by the instances that are kept.

    Parameters
    ----------
    seconds, asked
        Time of each step from the burst on, and requests per second that arrive, shape ``(n,)``.
    runs
        By instances kept: requests per second that can be answered, and the latency in seconds.
    """
    able, waiting = figure.subplots(2, 1, sharex=True)
    shown = (seconds >= BURST_SECONDS[0]) & (seconds < BURST_SECONDS[1])
    mean = np.convolve(asked, np.ones(SMOOTHED_STEPS) / SMOOTHED_STEPS, mode="same")
    able.plot(seconds[shown], mean[shown] / 1000, color=_colour("ink"), ls=":", label="asked for")
    for (kept, (rate, latency)), colour in zip(runs.items(), PROCESS_COLOURS, strict=False):
        able.plot(seconds[shown], rate[shown] / 1000, color=_colour(colour), label=f"{kept} kept")
        waiting.plot(seconds[shown], latency[shown], color=_colour(colour))
    able.set(ylabel="1,000 requests/s", ylim=(0, None))
    able.legend(loc="center right")
    waiting.set(ylabel="seconds to the answer", xlabel="seconds from the burst on", yscale="log")
    _plain_numbers(waiting)


def _positions(runs: Rows) -> list[int]:
    return list(range(len(runs)))


def _connections_axis(axes: Axes, runs: Rows) -> None:
    axes.set_xticks(_positions(runs), [str(run["connections"]) for run in runs])
    axes.grid(visible=False, axis="x")


def _plain_numbers(axes: Axes) -> None:
    axes.yaxis.set_major_formatter("{x:g}")


def _words(name: str) -> str:
    return "p99.9" if name == "p999" else name


def _colour(name: str) -> str:
    return PALETTE[name][0]
