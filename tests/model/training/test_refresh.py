"""A refresh: the same trees with newer tables, equal to what the evaluation calls daily."""

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
RECIPE = TrainingConfig(rounds=20)


def _before(frame: pd.DataFrame, day: pd.Timestamp) -> pd.DataFrame:
    return frame[frame["scheduled_departure"] < day]


def _on(frame: pd.DataFrame, day: pd.Timestamp) -> Flights:
    departure = frame["scheduled_departure"]
    return Flights.from_columns(
        frame[(departure >= day) & (departure < day + pd.Timedelta(days=1))]
    )


@pytest.fixture(scope="module")
def parent(few: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Give a model of the flights until May, as it is read from its files."""
    trained = _before(few, TRAINED_UNTIL)
    predictor = fit(trained, RECIPE)
    card = make_card(trained, is_sample=False, predictor=predictor, recipe=RECIPE, evaluation={})
    folder = tmp_path_factory.mktemp("parent")
    Bundle(predictor, card, {}).write(folder)
    return Bundle.read(folder)


@pytest.fixture(scope="module")
def refreshed(parent: Bundle, few: pd.DataFrame) -> Bundle:
    """Give that model, refreshed with the flights until 11 July."""
    return refresh(parent, "m:1", _before(few, REFRESHED_UNTIL), is_sample=False)


def test_a_refreshed_model_scores_as_the_daily_evaluation_does(
    parent: Bundle, refreshed: Bundle, few: pd.DataFrame, tmp_path: Path
) -> None:
    """The day after the refresh has the scores that the evaluation gives it, file and all."""
    refreshed.write(tmp_path)
    flights = _on(few, REFRESHED_UNTIL)
    served = Bundle.read(tmp_path).predictor.score(flights)
    # as in model.evaluation.protocols: tables of a later day, played back to each flight's own
    known = _before(few, REFRESHED_UNTIL + pd.Timedelta(days=20))
    fresh = parent.predictor.fresh
    builder = fresh.builder.refreshed(known, Outcomes.from_columns(known))
    evaluated = sigmoid(fresh.margins(builder.point_in_time(flights, flights.day)))
    assert len(served) > 5
    np.testing.assert_allclose(served, evaluated, atol=1e-6)
    assert np.abs(served - parent.predictor.score(flights)).max() > 1e-3


def test_only_the_tables_are_new(parent: Bundle, refreshed: Bundle) -> None:
    """Trees, codes, decision and evaluation are the parent's, and the card names the parent."""
    old, new = parent.predictor, refreshed.predictor
    assert new.booster.text == old.booster.text
    assert new.fresh.booster.text == old.fresh.booster.text
    assert (new.schedule.regression, new.fresh.regression) == (
        old.schedule.regression,
        old.fresh.regression,
    )
    assert new.builder.codes.to_json() == old.builder.codes.to_json()
    assert new.decision == old.decision
    assert {**refreshed.card, "refreshed": None} == {**parent.card, "refreshed": None}
    assert refreshed.card["refreshed"]["parent"] == "m:1"
    assert refreshed.card["refreshed"]["through"].startswith("2017-07-11")


def test_refreshing_with_the_training_flights_changes_nothing(
    parent: Bundle, few: pd.DataFrame
) -> None:
    """The tables of a fit are those that a refresh makes of the same flights."""
    again = refresh(parent, "m:1", _before(few, TRAINED_UNTIL), is_sample=False)
    assert changes_nothing(again, parent)


def test_newer_flights_change_something(parent: Bundle, refreshed: Bundle) -> None:
    """A refresh with more flights is told from one with the same."""
    assert not changes_nothing(refreshed, parent)


def test_later_outcomes_change_nothing(
    parent: Bundle, refreshed: Bundle, few: pd.DataFrame
) -> None:
    """Of a flight that left after the end of the tables, the outcome is not known yet."""
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
    """From the end of the tables on, for a while, the fresh Booster scores; else it does not."""
    predictor = refreshed.predictor
    for days, expected in ((-1, False), (0, True), (FRESH_DAYS - 1, True), (FRESH_DAYS, False)):
        flights = _on(few, REFRESHED_UNTIL + pd.Timedelta(days=days))
        assert (predictor.knows_fresh(flights) == expected).all()
        level = predictor.fresh if expected else predictor.schedule
        assert (predictor.score(flights) == sigmoid(level.raw_scores(flights))).all()


def test_the_same_refresh_gives_the_same_bytes(
    parent: Bundle, refreshed: Bundle, few: pd.DataFrame
) -> None:
    """Nothing in a refreshed model depends on when it was made, or on the order of rows."""
    shuffled = _before(few, REFRESHED_UNTIL).sample(frac=1, random_state=0)
    again = refresh(parent, "m:1", shuffled, is_sample=False)
    assert again.files() == refreshed.files()


def test_a_sound_refresh_passes_its_check(
    parent: Bundle, refreshed: Bundle, few: pd.DataFrame
) -> None:
    """The newest flights are scored at all three levels, and the reason tells their means."""
    verdict = check(refreshed, parent, _before(few, REFRESHED_UNTIL))
    assert verdict.accepted, verdict.reason
    for level in ("schedule", "daily", "live"):
        assert level in verdict.reason


@pytest.mark.parametrize(("band", "accepted"), [(0.02, False), (0.2, True)])
def test_a_mean_that_moves_too_far_does_not_pass(
    parent: Bundle,
    few: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
    band: float,
    accepted: bool,
) -> None:
    """Where all of the newest flights are suddenly late, the daily mean leaves a narrow band."""
    monkeypatch.setattr("model.training.refresh.BAND", band)
    wrong = _before(few, REFRESHED_UNTIL).copy()
    newest = (wrong["scheduled_departure"] >= TRAINED_UNTIL).to_numpy()
    moved = wrong.loc[newest, "scheduled_departure"] + pd.Timedelta(minutes=200)
    wrong.loc[newest, "actual_departure"] = moved
    wrong.loc[newest, ["delayed", "delay_minutes"]] = [True, 200.0]
    verdict = check(refresh(parent, "m:1", wrong, is_sample=False), parent, wrong)
    assert verdict.accepted is accepted
    assert (f"more than {band:g}" in verdict.reason) is not accepted


def test_scores_that_are_no_numbers_do_not_pass(
    parent: Bundle, refreshed: Bundle, few: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A level that gives no probability is refused by its name."""
    monkeypatch.setattr(
        "model.training.refresh.sigmoid", lambda margin: np.full(len(margin), np.nan)
    )
    verdict = check(refreshed, parent, _before(few, REFRESHED_UNTIL))
    assert not verdict.accepted
    assert "schedule level" in verdict.reason


def test_other_features_do_not_pass(parent: Bundle, refreshed: Bundle, few: pd.DataFrame) -> None:
    """A level whose columns are not the parent's is refused before it is asked."""
    old = parent.predictor
    swapped = Bundle(replace(old, schedule=old.fresh), parent.card, {})
    verdict = check(refreshed, swapped, _before(few, REFRESHED_UNTIL))
    assert not verdict.accepted
    assert "other features" in verdict.reason


def test_flights_that_cannot_refresh_are_refused(parent: Bundle, few: pd.DataFrame) -> None:
    """Too old, too short a memory, or generated ones for a real model: each in words."""
    enough = _before(few, REFRESHED_UNTIL)
    with pytest.raises(RefreshError, match="go together"):
        refresh(parent, "m:1", enough, is_sample=True)
    with pytest.raises(RefreshError, match="knows all before 2017-06-01 already"):
        refresh(parent, "m:1", _before(few, pd.Timestamp("2017-05-20")), is_sample=False)
    with pytest.raises(RefreshError, match="need 180 days"):
        refresh(
            parent,
            "m:1",
            enough[enough["scheduled_departure"] >= TRAINED_UNTIL],
            is_sample=False,
        )
