"""Simulation of Cloud Run: queues, cold starts, the autoscaler, and costs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from load.scenarios import capacity_plan
from load.scenarios.capacity_plan import Inputs, simulate

RATE = 1000.0


@pytest.fixture
def inputs() -> Inputs:
    """Return the committed figures with a round rate and a fixed cold start."""
    found = Inputs()
    found.rate, found.cold_start_s = RATE, (3.0, 3.0)
    return found


def test_the_same_seed_gives_the_same_run(inputs: Inputs) -> None:
    """Equal seeds repeat arrivals and latencies; another seed changes the arrivals."""
    runs = [simulate(inputs, [(5, 500)], (1, 100), seed=seed) for seed in (1, 1, 2)]
    assert np.array_equal(runs[0].arrived, runs[1].arrived)
    assert np.array_equal(runs[0].latency_s, runs[1].latency_s)
    assert not np.array_equal(runs[0].arrived, runs[2].arrived)


def test_the_first_request_without_an_instance_waits_for_the_cold_start(inputs: Inputs) -> None:
    """Later requests find the instance ready."""
    run = simulate(inputs, [(60, 2)])
    waits = run.latency_s[run.arrived > 0]
    assert waits[0] == pytest.approx(3.0, abs=0.03)
    assert run.percentile_ms(0.99, start=10) < 30
    assert run.refused == 0


def test_a_kept_instance_avoids_the_cold_start(inputs: Inputs) -> None:
    """No request waits, from the first one on."""
    run = simulate(inputs, [(60, 2)], (1, 100))
    assert run.percentile_ms(1.0) < 30


def test_a_queue_grows_and_empties_as_calculated(inputs: Inputs) -> None:
    """One instance, twice its rate for two seconds: the last request waits about two seconds."""
    run = simulate(inputs, [(2, 2 * RATE), (4, 0)], (1, 1))
    last = run.latency_s[run.seconds < 2][-1]
    assert last == pytest.approx(2.0, rel=0.1)
    assert run.refused == 0


def test_more_instances_are_ready_one_cold_start_later(inputs: Inputs) -> None:
    """They are not ready before, and afterwards no request waits."""
    run = simulate(inputs, [(10, 100), (30, 4 * RATE)], (1, 10))
    assert run.ready[run.seconds < 12.9].max() == 1
    assert run.ready[run.seconds > 13.5].min() >= 4
    assert run.percentile_ms(0.99, start=30) < 30
    assert 1.5 < run.slowest_second() < 3.5


def test_the_average_load_adds_instances_before_requests_wait(inputs: Inputs) -> None:
    """At 90 percent of the processor instances are added until it is about 60 percent."""
    run = simulate(inputs, [(120, 1.8 * RATE)], (2, 10), warm=2)
    assert run.ready[-1] in {3, 4}
    assert run.percentile_ms(0.99) < 60


def test_requests_that_wait_too_long_are_refused(inputs: Inputs) -> None:
    """Where no second instance may start, requests get 429 after the platform's timeout."""
    run = simulate(inputs, [(40, 3 * RATE)], (1, 1))
    assert inputs.timeout() == 10.5
    assert run.refused > 0
    assert run.latency_s.max() <= inputs.timeout() + 0.1


def test_every_request_is_answered_or_refused(inputs: Inputs) -> None:
    """None is lost: the number of answers follows from the rate and the time."""
    run = simulate(inputs, [(30, 3 * RATE)], (1, 1))
    answered = run.arrived.sum() - run.refused
    assert answered == pytest.approx((30 + inputs.timeout()) * RATE, rel=0.05)


@pytest.mark.parametrize(("rate", "expected"), [(1, 1), (600, 1), (601, 2), (60_000, 100)])
def test_steady_instances(inputs: Inputs, rate: float, expected: int) -> None:
    """Each instance takes sixty percent of its rate."""
    assert inputs.instances(rate) == expected


def test_rare_requests_are_billed_as_a_tenth_of_a_second_each() -> None:
    """Many at once are billed as the time that passes."""
    assert capacity_plan.billed_share(0.01) == pytest.approx(0.001, rel=0.01)
    assert capacity_plan.billed_share(1000) == pytest.approx(1.0)


def test_costs(inputs: Inputs) -> None:
    """Compare with a calculation by hand: a busy instance, an idle one, the fee per million."""
    second = 0.0000336 + 0.5 * 0.0000035
    assert inputs.cost_per_million(500) == pytest.approx(second * 1e6 / 500 + 0.4)
    assert inputs.price("idle_") == pytest.approx(0.00000525)
    assert inputs.cost_per_million(1, minimum=1) > inputs.cost_per_million(1)


def test_latency_is_interpolated_between_measurements(inputs: Inputs) -> None:
    """Beyond the last one it is extrapolated."""
    inputs.latency_ms = [{"use": 0.0, "p50": 1.0}, {"use": 0.5, "p50": 3.0}]
    assert [inputs.latency("p50", use) for use in (0, 0.25, 0.5, 0.6)] == pytest.approx(
        [1.0, 2.0, 3.0, 3.4]
    )


def test_a_new_measurement_replaces_the_figures() -> None:
    """Figures of a `load.json` are used in place of the committed ones."""
    measured = json.loads((Path(__file__).parents[1] / "load.json").read_text())
    inputs = Inputs(measured)
    assert inputs.rate == measured["full_rate"] / 2
    assert inputs.file["memory_mb"]["value"] == measured["memory_mb"]
    assert inputs.latency("p50", 0) == 2 * measured["closed"][0]["latency_ms"]["p50"]


def test_the_page_and_its_picture_are_written(tmp_path: Path) -> None:
    """The page holds the computed figures, and its idle price that of 30 days."""
    capacity_plan.main(load=None, docs=tmp_path)
    page = (tmp_path / capacity_plan.PAGE).read_text()
    assert f"**{Inputs().rate:,.0f} requests/s**" in page
    assert f"costs {0.00000525 * 2_592_000:.2f} dollars a month" in page
    assert "nan" not in page.split()
    assert (tmp_path / capacity_plan.PICTURE).read_text().startswith("<svg xmlns=")
