"""Cloud Run on paper: how many instances, what they cost, what a burst meets.

A discrete simulation: time goes in steps of ten milliseconds, requests arrive at random, wait in
one queue, and are answered as fast as the instances that are ready can. The autoscaler acts as
Cloud Run's manual says, as far as it says it. What was measured stands in `capacity.json`, with
its source; `python -m load.scenarios.scale` writes the plan made of it.
"""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from load.tools.stats import FloatArray

INPUTS = Path(__file__).with_name("capacity.json")
STEP = 0.01
"""Seconds."""
MILLION = 1e6
BILLED_AT_LEAST = 0.1
"""Seconds: Cloud Run rounds the time that an instance works up to the next tenth."""
MONTH = 30 * 86_400
"""Seconds."""
TRUSTED_SHARE = 0.5
"""Beyond it the load generator of the open loop, which shares the cores, measures itself."""
LARGEST = 20
"""Most instances of production: `deploy/triggers/production.yaml`."""


@dataclass(frozen=True)
class Inputs:
    """What was measured, and what it costs.

    Attributes
    ----------
    rate
        Requests per second that one instance of one vCPU can answer.
    bulk_rate
        Flights per second in large requests.
    latency_ms
        ``use``, ``p50`` and ``p99``, ascending: latency at shares of the rate, without network.
    cold_start_s
        Least and most seconds until a new instance answers.
    prices
        In US dollars, by name: see `capacity.json`.
    """

    rate: float
    bulk_rate: float
    latency_ms: tuple[dict[str, float], ...]
    memory_mb: float
    cold_start_s: tuple[float, float]
    prices: dict[str, float]

    @classmethod
    def read(cls, path: Path = INPUTS, measured: dict[str, Any] | None = None) -> Self:
        """Read them; figures of a `load.json` go before those of the file.

        Every rate is cut to the share of a core that a vCPU is taken to give.
        """
        found = json.loads(path.read_text())
        values = {name: each["value"] for name, each in found.items() if "value" in each}
        values |= _of_load(measured) if measured else {}
        share = values["share_of_core"]
        prices = {name: price for name, price in found["prices"].items() if name != "source"}
        start = found["cold_start_s"]
        return cls(
            rate=values["rate"] * share,
            bulk_rate=values["bulk_rate"] * share,
            latency_ms=tuple(_slower(row, share) for row in values["latency_ms"]),
            memory_mb=values["memory_mb"],
            cold_start_s=(start["low"], start["high"]),
            prices=prices,
        )

    def latency(self, name: str, use: float) -> float:
        """Milliseconds of ``p50`` or ``p99`` at a share of the rate, between those measured.

        Beyond the last one its line is drawn on; from there on waiting grows faster than that.
        """
        shares = [row["use"] for row in self.latency_ms]
        values = [row[name] for row in self.latency_ms]
        slope = (values[-1] - values[-2]) / (shares[-1] - shares[-2])
        return float(np.interp(use, shares, values) + slope * max(0.0, use - shares[-1]))


@dataclass(frozen=True)
class Platform:
    """Cloud Run's settings, and how its autoscaler is taken to act.

    Attributes
    ----------
    target
        Share of the processor, and of the concurrency, that the autoscaler aims at.
    window
        Seconds over which it averages.
    interval
        Seconds between its decisions. Not published: an assumption.
    memory_gib
        Of one instance.
    """

    concurrency: int = 80
    minimum: int = 0
    maximum: int = 100
    target: float = 0.6
    window: float = 60.0
    interval: float = 2.0
    memory_gib: float = 0.5

    def patience(self, inputs: Inputs) -> float:
        """Seconds that a request waits for an instance before it is refused with 429."""
        return max(10.0, 3.5 * sum(inputs.cold_start_s) / 2)


@dataclass(frozen=True)
class Phase:
    """So many seconds with so many requests a second."""

    seconds: float
    rate: float


@dataclass
class Simulation:
    """What happened, step by step; arrays of shape ``(steps,)``.

    Attributes
    ----------
    arrived, refused
        Requests of each step; refused ones by the step in which they had arrived.
    ready
        Instances that answer.
    latency_s
        Mean latency of what arrived in the step; not a number where nothing was answered.
    """

    seconds: FloatArray
    arrived: FloatArray
    refused: FloatArray
    ready: FloatArray
    latency_s: FloatArray

    def percentile_ms(self, share: float, start: float = 0.0) -> float:
        """Latency, in milliseconds, that a share of the requests from a moment on stays below."""
        keep = (self.seconds >= start) & np.isfinite(self.latency_s)
        latency, weight = self.latency_s[keep], (self.arrived - self.refused)[keep]
        order = np.argsort(latency)
        reached = np.cumsum(weight[order])
        return float(latency[order][np.searchsorted(reached, share * reached[-1])] * 1000)

    def slowest_second(self) -> float:
        """Longest mean latency of a second, in seconds."""
        per = round(1 / STEP)
        means = [
            np.nansum(self.latency_s[i : i + per] * (self.arrived - self.refused)[i : i + per])
            / (self.arrived - self.refused)[i : i + per].sum()
            for i in range(0, len(self.seconds), per)
        ]
        return float(np.nanmax(means))

    def slower_than(self, seconds: float) -> float:
        """Share of all requests that waited longer than this, or were refused."""
        late = np.where(self.latency_s > seconds, self.arrived - self.refused, 0.0).sum()
        return float((late + self.refused.sum()) / self.arrived.sum())


@dataclass
class _State:
    """The simulated service between two steps."""

    ready: int
    starting: list[float] = field(default_factory=list)
    queue: deque[list[float]] = field(default_factory=deque)
    waiting: float = 0.0
    credit: float = 0.0
    busy: deque[float] = field(default_factory=deque)


def simulate(
    inputs: Inputs, platform: Platform, phases: Sequence[Phase], *, warm: int = 0, seed: int = 0
) -> Simulation:
    """Let requests arrive and the autoscaler act.

    Parameters
    ----------
    phases
        Arrival rates, one after the other.
    warm
        Instances that are ready at the start; at least the platform's minimum are.

    Notes
    -----
    Instances share one queue, as if the router always found the idlest: a real one is a little
    worse. No instance leaves, for Cloud Run keeps idle ones for up to 15 minutes.
    """
    random = np.random.default_rng(seed)
    rates = np.concatenate([np.full(round(p.seconds / STEP), p.rate) for p in phases])
    arrived = random.poisson(rates * STEP).astype(float)
    steps = len(arrived)
    seconds = np.arange(steps, dtype=np.float64) * STEP
    run = Simulation(seconds, arrived, *(np.zeros(steps) for _ in range(3)))
    state = _State(ready=max(warm, platform.minimum))
    every = round(platform.interval / STEP)
    for step in range(steps):
        now = step * STEP
        _become_ready(state, now)
        if arrived[step]:
            state.queue.append([step, arrived[step]])
            state.waiting += arrived[step]
        _answer(state, run, inputs, now)
        _refuse(state, run, now - platform.patience(inputs))
        # who waits for a place starts an instance at once; the average corrects it now and then
        wanted = _for_waiting(state, platform)
        if step % every == 0:
            wanted = max(wanted, _for_average(state, platform, every * step > 0))
        _start(state, wanted, inputs, platform, now, random)
        run.ready[step] = state.ready
    _answer_the_rest(state, run, inputs, platform)
    run.latency_s = run.latency_s / np.where(arrived > run.refused, arrived - run.refused, np.nan)
    return run


def steady_instances(inputs: Inputs, platform: Platform, rate: float) -> int:
    """Instances that a steady rate needs at the autoscaler's target."""
    return max(1, platform.minimum, math.ceil(rate / (platform.target * inputs.rate)))


def billed_share(rate: float) -> float:
    """Share of the time that an instance is billed for, with requests at random moments.

    Each one makes the instance work for a tenth of a second at least; those that overlap are
    billed once: ``1 - exp(-rate * 0.1)``.
    """
    return 1 - math.exp(-rate * BILLED_AT_LEAST)


def cost_per_million(inputs: Inputs, platform: Platform, rate: float) -> float:
    """Dollars for a million requests at a steady rate, idle minimum instances included."""
    instances = steady_instances(inputs, platform, rate)
    share = billed_share(rate / instances)
    working = _price(inputs, platform, "") * share
    idle = _price(inputs, platform, "idle_") * (1 - share)
    kept = min(platform.minimum, instances)
    second = instances * working + kept * idle
    return second * MILLION / rate + inputs.prices["million_requests"]


def idle_month(inputs: Inputs, platform: Platform) -> float:
    """Dollars for thirty days of one minimum instance that nobody asks."""
    return _price(inputs, platform, "idle_") * MONTH


def bulk_cost_per_million(inputs: Inputs, platform: Platform, flights: int = 1000) -> float:
    """Dollars for a million flights in requests of many."""
    seconds = MILLION / (platform.target * inputs.bulk_rate)
    requests = MILLION / flights / MILLION * inputs.prices["million_requests"]
    return seconds * _price(inputs, platform, "") + requests


def burst(inputs: Inputs, minimum: int, low: float, high: float, seed: int = 0) -> Simulation:
    """A minute at a low rate, then one at a high one."""
    platform = Platform(minimum=minimum, maximum=LARGEST)
    warm = steady_instances(inputs, platform, low)
    return simulate(inputs, platform, [Phase(60, low), Phase(60, high)], warm=warm, seed=seed)


def _price(inputs: Inputs, platform: Platform, kind: str) -> float:
    """Dollars per second of one instance; the kind is `idle_` or nothing."""
    prices = inputs.prices
    return prices[f"{kind}cpu_second"] + prices[f"{kind}gib_second"] * platform.memory_gib


def _of_load(measured: dict[str, Any]) -> dict[str, Any]:
    """Take the figures out of a `load.json`."""
    alone = [(0.0, run) for run in measured["closed"] if run["connections"] == 1]
    some = [(run["share"], run) for run in measured["open"] if run["share"] <= TRUSTED_SHARE]
    rows = [
        {"use": use, **{name: run["latency_ms"][name] for name in ("p50", "p99")}}
        for use, run in [*alone[:1], *some]
    ]
    return {
        "rate": measured["full_rate"],
        "bulk_rate": measured["bulk"]["served"]["median"],
        "memory_mb": measured["memory_mb"],
        **({"latency_ms": rows} if len(rows) > 1 else {}),
    }


def _slower(row: dict[str, float], share: float) -> dict[str, float]:
    """Return what was measured as it would be with a share of a core."""
    return {name: value if name == "use" else value / share for name, value in row.items()}


def _become_ready(state: _State, now: float) -> None:
    state.ready += sum(at <= now for at in state.starting)
    state.starting = [at for at in state.starting if at > now]


def _answer(state: _State, run: Simulation, inputs: Inputs, now: float) -> None:
    """Answer what the instances can in one step, in order; what they cannot do is not saved up."""
    state.credit += state.ready * inputs.rate * STEP
    before = state.credit
    while state.queue and state.credit >= 1:
        cohort = state.queue[0]
        done = min(cohort[1], math.floor(state.credit))
        waited = max(0.0, now - run.seconds[int(cohort[0])]) + inputs.latency("p50", 0) / 1000
        run.latency_s[int(cohort[0])] += done * waited
        cohort[1] -= done
        state.credit -= done
        state.waiting -= done
        if not cohort[1]:
            state.queue.popleft()
    state.busy.append((before - state.credit) / (inputs.rate * STEP))
    if not state.queue:
        state.credit = min(state.credit, 1.0)


def _refuse(state: _State, run: Simulation, before: float) -> None:
    while state.queue and run.seconds[int(state.queue[0][0])] < before:
        step, count = state.queue.popleft()
        run.refused[int(step)] += count
        state.waiting -= count


def _for_waiting(state: _State, platform: Platform) -> int:
    """Instances for requests that find no free place."""
    outside = state.waiting - platform.concurrency * state.ready
    return state.ready + math.ceil(outside / platform.concurrency) if outside > 0 else 0


def _for_average(state: _State, platform: Platform, started: bool) -> int:
    """Instances by how many were busy, averaged over the window."""
    while len(state.busy) > platform.window / STEP:
        state.busy.popleft()
    busy = sum(state.busy) / len(state.busy) if started else 0.0
    return max(platform.minimum, math.ceil(busy / platform.target))


def _start(
    state: _State,
    wanted: int,
    inputs: Inputs,
    platform: Platform,
    now: float,
    random: np.random.Generator,
) -> None:
    running = state.ready + len(state.starting)
    for _ in range(min(wanted, platform.maximum) - running):
        state.starting.append(now + random.uniform(*inputs.cold_start_s))


def _answer_the_rest(state: _State, run: Simulation, inputs: Inputs, platform: Platform) -> None:
    """Let what is left be answered or refused after the end, so that its waiting counts."""
    now = len(run.seconds) * STEP
    while state.queue:
        _become_ready(state, now)
        _answer(state, run, inputs, now)
        _refuse(state, run, now - platform.patience(inputs))
        now += STEP
