"""Check that every attempt fits and scores, and that none learns from scored flights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from data.schema import OUTCOME_COLUMNS, SCHEDULE_COLUMNS
from features.builder import Level
from model.experiments.attempts.attempt import Attempt
from model.experiments.attempts.catalogue import ATTEMPTS
from model.experiments.attempts.more_columns import TargetEncoded
from model.experiments.methods.boosted import HARD, Boosted
from model.experiments.methods.logistic_regression import TreesAndLogistic
from model.experiments.methods.table import Table, Training
from model.experiments.methods.wrappers import Bagged, Calibrated, Resampled
from model.experiments.run.folds import FoldData, as_training
from model.inference.calibration import sigmoid
from model.training.fit import TrainingConfig, fit_scorer, prepare

HELD = 200
PACKAGES = {
    "catboost": "catboost",
    "xgboost": "xgboost",
    "sampling": "imblearn",
    "smote": "imblearn",
}

GetFold = Callable[[str], FoldData]


def _lean(method: Any) -> Any:
    """Return the method with a few trees, nested methods included."""
    sizes = {"rounds": 10, "trees": 5, "count": 2, "epochs": 1}
    few = {field.name: sizes[field.name] for field in fields(method) if field.name in sizes}
    inside = {field.name: getattr(method, field.name) for field in fields(method)}
    few |= {name: _lean(value) for name, value in inside.items() if is_dataclass(value)}
    return replace(method, **few)


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda attempt: attempt.id)
def test_every_attempt_fits_and_scores(attempt: Attempt, last_fold: GetFold) -> None:
    """Every attempt returns a probability for each of a few flights."""
    for part, package in PACKAGES.items():
        if part in attempt.id:
            pytest.importorskip(package, reason="of the group experiments: make experiments")
    fold = last_fold(next(iter(attempt.seeds)))
    score = _lean(attempt.method).fit(fold.training, 0)
    for table in fold.scored.values():
        part_of_it = table.pick(np.arange(min(HELD, len(table))))
        probability = score(part_of_it)
        assert probability.shape == (len(part_of_it),)
        assert ((probability >= 0) & (probability <= 1)).all()
        assert len(np.unique(probability)) > 1


def test_scored_tables_have_no_outcome(group: str, last_fold: GetFold) -> None:
    """A table to score has the schedule and features only."""
    for table in last_fold(group).scored.values():
        assert tuple(table.schedule.columns) == SCHEDULE_COLUMNS
        assert not set(OUTCOME_COLUMNS) & {column.name for column in table.columns}


def test_scored_flights_are_not_learned_from(group: str, last_fold: GetFold) -> None:
    """Training flights and scored flights of a fold are disjoint."""
    fold = last_fold(group)
    assert not set(fold.rows.train) & set(fold.rows.test)
    assert len(fold.training) == len(fold.rows.train)


@pytest.mark.parametrize("how", ["under", "over", "smote"])
def test_resampling_stays_inside_the_fold(how: str, last_fold: GetFold) -> None:
    """Resampled flights are training flights or between them; both classes are equal."""
    pytest.importorskip("imblearn", reason="of the group experiments: make experiments")
    training = last_fold("E1").training
    resampled = Resampled(HARD, how).resample(training, 0)
    assert resampled.late.mean() == pytest.approx(0.5, abs=0.01)
    own = {tuple(row) for row in np.nan_to_num(training.table.matrix)}
    found = {tuple(row) for row in np.nan_to_num(resampled.table.matrix)}
    if how == "smote":
        kept = resampled.table.matrix[: len(training)]
        assert np.array_equal(kept, training.table.matrix, equal_nan=True)
        made_up = resampled.table.matrix[len(training) :]
        low, high = np.nanmin(training.table.matrix, 0), np.nanmax(training.table.matrix, 0)
        assert ((made_up >= low - 1e-9) & (made_up <= high + 1e-9)).all()
        assert resampled.late[len(training) :].all()
    else:
        assert found <= own


def test_the_kept_row_is_the_served_model(tiny: pd.DataFrame) -> None:
    """The kept attempt gives the probabilities of `train.py`'s model bit for bit."""
    training_set = prepare(tiny, Level.FRESH)
    served = fit_scorer(training_set, TrainingConfig(seed=3, rounds=8))
    training = as_training(tiny, training_set)
    score = TreesAndLogistic(Boosted(rounds=8)).fit(training, 3)
    assert (score(training.table) == sigmoid(served.margins(training_set.matrix))).all()


def test_dropped_columns_change_nothing(last_fold: GetFold) -> None:
    """Dropped columns are not used: other values in them give the same scores."""
    fold = last_fold("E3.schedule")
    score = Boosted(rounds=8, drop=("history", "school_holidays")).fit(fold.training, 0)
    table = fold.scored["E3.schedule"]
    broken = replace(table, matrix=table.matrix.copy())
    columns = [
        at
        for at, column in enumerate(table.columns)
        if column.transformer == "history" or column.name == "school_holidays"
    ]
    assert len(columns) == 13
    broken.matrix[:, columns] = 1e6
    assert (score(broken) == score(table)).all()


def test_calibration_is_learned_on_held_out_flights(last_fold: GetFold) -> None:
    """The calibrated method is fitted without the last weeks."""
    seen: list[Training] = []

    class Spy:
        kind: ClassVar[str] = "spy"

        def fit(self, training: Training, seed: int) -> Callable[[Table], np.ndarray]:
            seen.append(training)
            return lambda table: np.linspace(0.1, 0.3, len(table)) + 0 * seed

    training = last_fold("E3.schedule").training
    Calibrated(Spy(), "isotonic", weeks=3).fit(training, 0)
    assert seen[0].day.max() <= training.day.max() - 21


def test_target_encoding_leaves_a_flight_itself_out(last_fold: GetFold) -> None:
    """Flights with unique numbers have the same encoding, late or not."""
    seen: list[Training] = []

    class Spy:
        kind: ClassVar[str] = "spy"

        def fit(self, training: Training, seed: int) -> Callable[[Table], np.ndarray]:
            seen.append(training)
            return lambda table: np.full(len(table), float(seed))

    training = last_fold("E3.schedule").training
    table = training.table
    numbers = [str(number) for number in range(10_000, 10_000 + len(table))]
    alone = replace(table, schedule=table.schedule.assign(flight_number=numbers))
    TargetEncoded(Spy()).fit(training.on(alone), 0)
    encoded = seen[0].table.matrix[:, -1]
    assert abs(encoded[training.late].mean() - encoded[~training.late].mean()) < 0.02


def test_a_bag_is_the_mean_of_its_fits(last_fold: GetFold) -> None:
    """The bag returns the mean probability of fits with different seeds."""
    fold = last_fold("E3.schedule")
    bag = Bagged(Boosted(rounds=5), 2)
    table = fold.scored["E3.schedule"]
    first, second = (score(table) for score in bag.fits(fold.training, 0))
    assert (first != second).any()
    assert bag.fit(fold.training, 0)(table) == pytest.approx((first + second) / 2)
