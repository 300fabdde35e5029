"""Batch sizes are read from the service's metrics."""

from __future__ import annotations

from load.tools.metrics_text import Batches

TEXT = """# TYPE flight_delay_batch_flights histogram
flight_delay_batch_flights_sum {total}
flight_delay_batch_flights_bucket{{le="1.0"}} {one}
flight_delay_batch_flights_bucket{{le="16.0"}} {more}
flight_delay_batch_flights_bucket{{le="+Inf"}} {all}
flight_delay_batch_flights_count {all}
flight_delay_flights_total 99.0
"""


def test_buckets_are_no_longer_cumulative() -> None:
    """Each bucket counts the batches above the previous bound."""
    batches = Batches.parse(TEXT.format(total=90.0, one=2.0, more=7.0, all=8.0))
    assert batches.up_to == {"1.0": 2, "16.0": 5, "+Inf": 1}
    assert (batches.count, batches.flights) == (8, 90)


def test_only_what_was_added_counts() -> None:
    """Counters start with the server, so a run is a difference."""
    before = Batches.parse(TEXT.format(total=90.0, one=2.0, more=7.0, all=8.0))
    after = Batches.parse(TEXT.format(total=130.0, one=2.0, more=12.0, all=13.0))
    assert after.since(before) == {
        "up_to": {"1.0": 0, "16.0": 5, "+Inf": 0},
        "count": 5,
        "flights": 40,
        "mean": 8.0,
    }


def test_a_service_without_batches_has_none() -> None:
    """BentoML's own batching does not export the metric."""
    nothing = Batches.parse("")
    assert nothing.since(nothing) == {"up_to": {}, "count": 0, "flights": 0, "mean": None}
