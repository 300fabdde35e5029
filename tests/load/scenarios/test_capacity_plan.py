"""The simulation of Cloud Run: queues, cold starts, the autoscaler, and what it costs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from load.scenarios import capacity_plan, scale
from load.scenarios.capacity_plan import Inputs, Phase, Platform, simulate

RATE = 1000.0
INPUTS = replace(Inputs.read(), rate=RATE, cold_start_s=(3.0, 3.0))


def test_the_same_seed_gives_the_same_run() -> None:
    """And another one another."""
    runs = [simulate(INPUTS, Platform(minimum=1), [Phase(5, 500)], seed=seed) for seed in (1, 1, 2)]
    assert np.array_equal(runs[0].arrived, runs[1].arrived)
    assert np.array_equal(runs[0].latency_s, runs[1].latency_s, equal_nan=True)
    assert not np.array_equal(runs[0].arrived, runs[2].arrived)


def test_the_first_caller_of_a_service_at_zero_waits_for_the_cold_start() -> None:
    """Nobody else does, once an instance is there."""
    run = simulate(INPUTS, Platform(), [Phase(60, 2)])
    waits = run.latency_s[np.isfinite(run.latency_s)]
    assert waits[0] == pytest.approx(3.0, abs=0.03)
    assert run.percentile_ms(0.99, start=10) < 30
    assert run.refused.sum() == 0


def test_a_kept_instance_takes_the_cold_start_away() -> None:
    """From the first request on."""
    run = simulate(INPUTS, Platform(minimum=1), [Phase(60, 2)])
    assert run.percentile_ms(1.0) < 30


def test_a_queue_grows_and_empties_as_arithmetic_says() -> None:
    """One instance, twice its rate for two seconds: the last one waits about two seconds."""
    platform = Platform(minimum=1, maximum=1)
    run = simulate(INPUTS, platform, [Phase(2, 2 * RATE), Phase(4, 0)])
    last = run.latency_s[run.seconds < 2][-1]
    assert last == pytest.approx(2.0, rel=0.1)
    assert run.refused.sum() == 0


def test_more_instances_come_one_cold_start_late() -> None:
    """Not before, and then enough that nobody waits any more."""
    platform = Platform(minimum=1, maximum=10)
    run = simulate(INPUTS, platform, [Phase(10, 100), Phase(30, 4 * RATE)])
    assert run.ready[run.seconds < 12.9].max() == 1
    assert run.ready[run.seconds > 13.5].min() >= 4
    assert run.percentile_ms(0.99, start=30) < 30
    assert 1.5 < run.slowest_second() < 3.5


def test_the_average_adds_instances_before_anybody_waits() -> None:
    """At 90 percent of the processor more come, until it is about 60 again."""
    platform = Platform(minimum=2, maximum=10)
    run = simulate(INPUTS, platform, [Phase(120, 1.8 * RATE)], warm=2)
    assert run.ready[-1] in {3, 4}
    assert run.percentile_ms(0.99) < 60


def test_who_waits_too_long_is_refused() -> None:
    """An instance that never comes: 429 after the platform's patience."""
    platform = Platform(minimum=1, maximum=1)
    patience = platform.patience(INPUTS)
    run = simulate(INPUTS, platform, [Phase(40, 3 * RATE)])
    assert patience == 10.5
    assert run.refused.sum() > 0
    assert np.nanmax(run.latency_s) <= patience + 0.1


def test_every_request_is_answered_or_refused() -> None:
    """None is lost: the time answered for, and the rate, fit together."""
    platform = Platform(minimum=1, maximum=1)
    run = simulate(INPUTS, platform, [Phase(30, 3 * RATE)])
    answered = run.arrived.sum() - run.refused.sum()
    assert answered == pytest.approx((30 + platform.patience(INPUTS)) * RATE, rel=0.05)


@pytest.mark.parametrize(("rate", "expected"), [(1, 1), (600, 1), (601, 2), (60_000, 100)])
def test_steady_instances(rate: float, expected: int) -> None:
    """At sixty percent of what each could do."""
    assert capacity_plan.steady_instances(INPUTS, Platform(), rate) == expected


def test_rare_requests_are_billed_as_a_tenth_of_a_second_each() -> None:
    """Many at once are billed as the time that passes."""
    assert capacity_plan.billed_share(0.01) == pytest.approx(0.001, rel=0.01)
    assert capacity_plan.billed_share(1000) == pytest.approx(1.0)


def test_costs() -> None:
    """By hand: one busy instance, its idle minimum, and the fee per million."""
    platform = Platform(memory_gib=0.5)
    second = 0.0000336 + 0.5 * 0.0000035
    assert capacity_plan.cost_per_million(INPUTS, platform, 500) == pytest.approx(
        second * 1e6 / 500 + 0.4
    )
    assert capacity_plan.idle_month(INPUTS, platform) == pytest.approx(0.00000525 * 2_592_000)
    kept = capacity_plan.cost_per_million(INPUTS, Platform(minimum=1), 1)
    assert kept > capacity_plan.cost_per_million(INPUTS, Platform(), 1)


def test_latency_lies_between_what_was_measured() -> None:
    """And goes on upwards beyond it."""
    rows = ({"use": 0.0, "p50": 1.0}, {"use": 0.5, "p50": 3.0})
    inputs = replace(INPUTS, latency_ms=rows)
    assert [inputs.latency("p50", use) for use in (0, 0.25, 0.5, 0.6)] == pytest.approx(
        [1.0, 2.0, 3.0, 3.4]
    )


def test_measuring_again_replaces_the_figures() -> None:
    """A `load.json` goes before the file that is committed."""
    measured = json.loads((Path(__file__).parents[1] / "load.json").read_text())
    inputs = Inputs.read(measured=measured)
    assert inputs.rate == measured["full_rate"] / 2
    assert inputs.memory_mb == measured["memory_mb"]
    assert inputs.latency("p50", 0) == 2 * measured["closed"][0]["latency_ms"]["p50"]


def test_the_page_and_its_picture_are_written(tmp_path: Path) -> None:
    """Whole, and with the figures that were computed."""
    scale.main(load=None, docs=tmp_path)
    page = (tmp_path / scale.PAGE).read_text()
    inputs = Inputs.read()
    assert f"**{inputs.rate:,.0f} requests/s**" in page
    assert "nan" not in page.split()
    assert (tmp_path / scale.PICTURE).read_text().startswith("<?xml")
