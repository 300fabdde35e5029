"""Test slices and small airlines against figures computed by hand or by pandas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from model.evaluation.metrics import flight_log_loss
from model.evaluation.protocols import Scored
from model.evaluation.slices import LARGEST, OTHERS, SLICES, SMALL_AIRLINE, slices, small_airlines


@pytest.fixture(scope="module")
def run(few: pd.DataFrame) -> Scored:
    """Return random scores of the flights from April on."""
    row = np.flatnonzero(few["scheduled_departure"] >= pd.Timestamp("2017-04-01"))
    random = np.random.default_rng(0)
    late = few["delayed"].to_numpy(dtype=bool)[row]
    probability = np.clip(random.normal(0.2 + 0.1 * late, 0.1), 0.01, 0.99)
    return Scored(row, late, probability, np.full(len(row), 0.18))


@pytest.fixture(scope="module")
def found(few: pd.DataFrame, run: Scored) -> dict[str, list[dict[str, Any]]]:
    """Return the slices of those flights."""
    return slices(few, run, 0.25)


@pytest.mark.parametrize("kind", SLICES)
def test_slices_hold_every_flight_once(
    run: Scored, found: dict[str, list[dict[str, Any]]], kind: str
) -> None:
    """Flights and late flights of the slices of a kind sum to those of all scored flights."""
    rows = found[kind]
    assert len(rows) <= LARGEST + 1
    assert sum(row["n"] for row in rows) == len(run.row)
    late = sum(row["n"] * row["late_share"] for row in rows)
    assert late == pytest.approx(run.late.sum(), abs=0.0001 * len(run.row))


def test_the_largest_slices_come_first(found: dict[str, list[dict[str, Any]]]) -> None:
    """Destinations are sorted by flights, months by date; the rest is pooled at the end."""
    counts = [row["n"] for row in found["destination"] if row["name"] != OTHERS]
    assert counts == sorted(counts, reverse=True)
    assert [row["name"] for row in found["destination"]][LARGEST:] == [OTHERS]
    months = [row["name"] for row in found["month"]]
    assert months == sorted(months)


def test_a_slice_has_the_figures_of_its_flights(
    few: pd.DataFrame, run: Scored, found: dict[str, list[dict[str, Any]]]
) -> None:
    """The figures of one airline are computed from its flights alone."""
    sky = {row["name"]: row for row in found["airline"]}["SKU"]
    own = few["airline"].to_numpy()[run.row] == "SKU"
    assert sky["n"] == own.sum()
    assert sky["mean_probability"] == pytest.approx(run.probability[own].mean(), abs=1e-4)
    loss = flight_log_loss(run.late[own], run.probability[own]).mean()
    assert sky["log_loss"] == pytest.approx(loss, abs=1e-4)


def test_small_airlines_are_compared_with_plain_rates(few: pd.DataFrame, run: Scored) -> None:
    """The own rate is the late share of the months before; shrinkage lowers its log loss."""
    found = small_airlines(few, run)
    flights = few["airline"].value_counts()
    assert set(found["airlines"]) <= set(flights[flights < SMALL_AIRLINE].index)
    assert found["n"] == sum(row["n"] for row in found["airlines"].values())
    month = few["scheduled_departure"].dt.month
    code = next(iter(found["airlines"]))
    rates = []
    for at in np.unique(month.iloc[run.row][(few["airline"] == code).iloc[run.row].to_numpy()]):
        before, now = few[month < at], few[(month == at) & (few["airline"] == code)]
        own = before[before["airline"] == code]["delayed"]
        rates += [own.mean() if len(own) else before["delayed"].mean()] * len(now)
    assert found["airlines"][code]["own_rate"] == pytest.approx(np.mean(rates), abs=1e-3)
    assert found["log_loss"]["shrunken rate"] < found["log_loss"]["own rate"]


def test_without_small_airlines_the_comparison_is_empty(few: pd.DataFrame, run: Scored) -> None:
    """The comparison has no flights if every airline has many."""
    one = few.assign(airline="LAN")
    assert small_airlines(one, run)["n"] == 0
