"""Test that a refresh keeps the trees and gives the scores of the daily evaluation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.flights import Flights, Outcomes
from model.errors import RefreshError
from model.inference.bundle import Bundle
from model.inference.calibration import sigmoid
from model.inference.predictor import FRESH_DAYS
from model.reports.card import make_card
from model.training.fit import TrainingConfig, fit
from model.training.refresh import changes_nothing, check, refresh

TRAINED_UNTIL, REFRESHED_UNTIL = pd.Timestamp("2017-06-01"), pd.Timestamp("2017-07-12")
CONFIG = TrainingConfig(rounds=20)


def _before(frame: pd.DataFrame, day: pd.Timestamp) -> pd.DataFrame:
    return frame[frame["scheduled_departure"] < day]


def _on(frame: pd.DataFrame, day: pd.Timestamp) -> Flights:
    departure = frame["scheduled_departure"]
    return Flights.from_columns(
        frame[(departure >= day) & (departure < day + pd.Timedelta(days=1))]
    )


@pytest.fixture(scope="module")
def parent(few: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Return a model of the flights until May, read from its files."""
    trained = _before(few, TRAINED_UNTIL)
    predictor = fit(trained, CONFIG)
    card = make_card(trained, is_sample=False, predictor=predictor, config=CONFIG, evaluation={})
    folder = tmp_path_factory.mktemp("parent")
    Bundle(predictor, card, {}).write(folder)
    return Bundle.read(folder)


@pytest.fixture(scope="module")
def refreshed(parent: Bundle, few: pd.DataFrame) -> Bundle:
    """Return that model, refreshed with the flights until 11 July."""
    return refresh(parent, "m:1", _before(few, REFRESHED_UNTIL), is_sample=False)


def test_a_refreshed_model_scores_as_the_daily_evaluation_does(
    parent: Bundle, refreshed: Bundle, few: pd.DataFrame, tmp_path: Path
) -> None:
    """A refreshed and reread model scores the next day as the evaluation does."""
    refreshed.write(tmp_path)
    flights = _on(few, REFRESHED_UNTIL)
    served = Bundle.read(tmp_path).predictor.score(flights)
    # as in model.evaluation.protocols: later tables, read as of each flight's own day
    known = _before(few, REFRESHED_UNTIL + pd.Timedelta(days=20))
    fresh = parent.predictor.fresh
    builder = fresh.builder.refreshed(known, Outcomes.from_columns(known))
    evaluated = sigmoid(fresh.margins(builder.point_in_time(flights, flights.day)))
    assert len(served) > 5
    np.testing.assert_allclose(served, evaluated, atol=1e-6)
    assert np.abs(served - parent.predictor.score(flights)).max() > 1e-3


def test_only_the_tables_are_new(parent: Bundle, refreshed: Bundle) -> None:
    """Trees, weights, codes, decision and evaluation are the parent's; the card names it."""
    old, new = parent.predictor, refreshed.predictor
    for one, other in ((new.schedule, old.schedule), (new.fresh, old.fresh)):
        assert one.booster.text == other.booster.text
        assert one.regression == other.regression
    assert new.builder.codes.to_json() == old.builder.codes.to_json()
    assert new.decision == old.decision
    assert {**refreshed.card, "refreshed": None} == {**parent.card, "refreshed": None}
    assert refreshed.card["refreshed"]["parent"] == "m:1"
    assert refreshed.card["refreshed"]["through"].startswith("2017-07-11")


def test_refreshing_with_the_training_flights_changes_nothing(
    parent: Bundle, few: pd.DataFrame
) -> None:
    """A refresh with the training flights gives the tables of the fit."""
    again = refresh(parent, "m:1", _before(few, TRAINED_UNTIL), is_sample=False)
    assert changes_nothing(again, parent)


def test_newer_flights_change_the_tables(parent: Bundle, refreshed: Bundle) -> None:
    """`changes_nothing` is false for a refresh with more flights."""
    assert not changes_nothing(refreshed, parent)


def test_later_outcomes_change_nothing(
    parent: Bundle, refreshed: Bundle, few: pd.DataFrame
) -> None:
    """The outcome of a flight that left after the end of the tables is not used."""
    given = _before(few, REFRESHED_UNTIL).copy()
    last = given.index[-40:]
    later = (REFRESHED_UNTIL + pd.Timedelta(hours=3)).to_datetime64()
    given.loc[last, "actual_departure"] = later
    given.loc[last, ["delayed", "delay_minutes"]] = [True, 180.0]
    one = refresh(parent, "m:1", given, is_sample=False)
    given.loc[last, ["delayed", "delay_minutes"]] = [False, 0.0]
    other = refresh(parent, "m:1", given, is_sample=False)
    assert changes_nothing(one, other)
    assert not changes_nothing(one, refreshed)


def test_fresh_tables_serve_some_days(refreshed: Bundle, few: pd.DataFrame) -> None:
    """The fresh level scores the `FRESH_DAYS` after the end of its tables, and no other day."""
    predictor = refreshed.predictor
    for days, expected in ((-1, False), (0, True), (FRESH_DAYS - 1, True), (FRESH_DAYS, False)):
        flights = _on(few, REFRESHED_UNTIL + pd.Timedelta(days=days))
        assert (predictor.knows_fresh(flights) == expected).all()
        level = predictor.fresh if expected else predictor.schedule
        assert (predictor.score(flights) == sigmoid(level.raw_scores(flights))).all()


def test_the_same_refresh_gives_the_same_bytes(
    parent: Bundle, refreshed: Bundle, few: pd.DataFrame
) -> None:
    """A refreshed model depends neither on the time of the refresh nor on the order of rows."""
    shuffled = _before(few, REFRESHED_UNTIL).sample(frac=1, random_state=0)
    again = refresh(parent, "m:1", shuffled, is_sample=False)
    assert again.files() == refreshed.files()


def test_a_valid_refresh_passes_its_check(
    parent: Bundle, refreshed: Bundle, few: pd.DataFrame
) -> None:
    """The newest flights are scored at all three levels, and the reason gives their means."""
    result = check(refreshed, parent, _before(few, REFRESHED_UNTIL))
    assert result.accepted, result.reason
    for level in ("schedule", "daily", "live"):
        assert level in result.reason


@pytest.mark.parametrize(("band", "accepted"), [(0.02, False), (0.2, True)])
def test_a_mean_that_moves_too_far_does_not_pass(
    parent: Bundle,
    few: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
    band: float,
    accepted: bool,
) -> None:
    """When all of the newest flights are late, the daily mean leaves a narrow band."""
    monkeypatch.setattr("model.training.refresh.BAND", band)
    wrong = _before(few, REFRESHED_UNTIL).copy()
    newest = (wrong["scheduled_departure"] >= TRAINED_UNTIL).to_numpy()
    moved = wrong.loc[newest, "scheduled_departure"] + pd.Timedelta(minutes=200)
    wrong.loc[newest, "actual_departure"] = moved
    wrong.loc[newest, ["delayed", "delay_minutes"]] = [True, 200.0]
    result = check(refresh(parent, "m:1", wrong, is_sample=False), parent, wrong)
    assert result.accepted is accepted
    assert (f"more than {band:g}" in result.reason) is not accepted


def test_scores_that_are_no_numbers_do_not_pass(
    parent: Bundle, refreshed: Bundle, few: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A level that gives NaN fails the check, and the reason names it."""
    monkeypatch.setattr(
        "model.training.refresh.sigmoid", lambda margin: np.full(len(margin), np.nan)
    )
    result = check(refreshed, parent, _before(few, REFRESHED_UNTIL))
    assert not result.accepted
    assert "schedule level" in result.reason


def test_other_features_do_not_pass(parent: Bundle, refreshed: Bundle, few: pd.DataFrame) -> None:
    """A level with other columns than the parent's fails the check before it scores."""
    old = parent.predictor
    swapped = Bundle(replace(old, schedule=old.fresh), parent.card, {})
    result = check(refreshed, swapped, _before(few, REFRESHED_UNTIL))
    assert not result.accepted
    assert "other features" in result.reason


def test_flights_that_cannot_refresh_are_refused(parent: Bundle, few: pd.DataFrame) -> None:
    """Flights that end too early, begin too late or are generated are refused with a reason."""
    enough = _before(few, REFRESHED_UNTIL)
    with pytest.raises(RefreshError, match="must both be real"):
        refresh(parent, "m:1", enough, is_sample=True)
    with pytest.raises(RefreshError, match="already has those before 2017-06-01"):
        refresh(parent, "m:1", _before(few, pd.Timestamp("2017-05-20")), is_sample=False)
    with pytest.raises(RefreshError, match="need 180 days"):
        refresh(
            parent,
            "m:1",
            enough[enough["scheduled_departure"] >= TRAINED_UNTIL],
            is_sample=False,
        )
