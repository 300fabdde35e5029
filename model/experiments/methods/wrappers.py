"""Methods around a method: resampled flights, a calibration on top, several fits made one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from data.flights import IntArray
from model.errors import MissingExtra
from model.evaluation.metrics import BoolArray
from model.experiments.methods.boosted import booster_score
from model.experiments.methods.estimators import NEEDED
from model.experiments.methods.table import Method, Score, Table, Training
from model.inference.calibration import Calibration, FloatArray
from model.training.fit import PARAMETERS, REPRODUCIBLE

_SMALLEST = 1e-6


@dataclass(frozen=True)
class Resampled:
    """As many late flights as punctual ones, among the flights that are learned from alone.

    The flights to score are not there yet when this runs, and are never resampled.

    Attributes
    ----------
    method
        Learns from the resampled flights.
    how
        ``"under"`` leaves punctual flights out, ``"over"`` repeats late ones, ``"smote"`` makes
        late ones up between neighbours (on the features; codes are rounded, missing values are
        medians).
    """

    method: Method
    how: str

    def fit(self, training: Training, seed: int) -> Score:
        """Resample, then fit."""
        return self.method.fit(self.resample(training, seed), seed)

    def resample(self, training: Training, seed: int) -> Training:
        """Return the flights that the method learns from."""
        sampler = _sampler(self.how, seed)
        filled = _filled(training.table)
        matrix, _ = sampler.fit_resample(filled, training.late.astype(int))
        if self.how != "smote":
            return training.pick(np.sort(sampler.sample_indices_))
        return _made_up(training, matrix, seed)


@dataclass(frozen=True)
class Calibrated:
    """A calibration learned on the last weeks, on a fit of the weeks before.

    Attributes
    ----------
    method
        What is calibrated; it does not see the last weeks.
    how
        ``"none"`` (what leaving those weeks out costs), ``"platt"``, ``"isotonic"`` or ``"beta"``.
    weeks
        Last weeks of the training flights.
    """

    method: Method
    how: str
    weeks: int = 6

    def fit(self, training: Training, seed: int) -> Score:
        """Fit on the weeks before, calibrate on the last ones."""
        before, recent = training.split_last(self.weeks)
        score = self.method.fit(before, seed)
        bend = _calibration(self.how, score(recent.table), recent.late)

        def calibrated(table: Table) -> FloatArray:
            found: FloatArray = bend(score(table))
            return found

        return calibrated


@dataclass(frozen=True)
class Bagged:
    """The mean probability of several fits with seeds of their own."""

    method: Method
    count: int = 5

    def fit(self, training: Training, seed: int) -> Score:
        """Fit as often as asked."""
        scores = self.fits(training, seed)

        def score(table: Table) -> FloatArray:
            found: FloatArray = np.mean([each(table) for each in scores], axis=0)
            return found

        return score

    def fits(self, training: Training, seed: int) -> list[Score]:
        """Fit with seeds that no other run uses."""
        return [self.method.fit(training, 1000 * (seed + 1) + each) for each in range(self.count)]


@dataclass(frozen=True)
class Blended:
    """The mean probability of two different methods."""

    one: Method
    other: Method

    def fit(self, training: Training, seed: int) -> Score:
        """Fit both."""
        one, other = (each.fit(training, seed) for each in (self.one, self.other))

        def score(table: Table) -> FloatArray:
            found: FloatArray = (one(table) + other(table)) / 2
            return found

        return score


@dataclass(frozen=True)
class Distilled:
    """One Booster that learns what a bag says, so that serving stays as cheap as one fit.

    Attributes
    ----------
    bag
        The teacher.
    rounds
        Trees of the pupil.
    trust
        Weight of the teacher's word against the label's.
    """

    bag: Bagged
    rounds: int = 250
    trust: float = 0.5

    def fit(self, training: Training, seed: int) -> Score:
        """Fit the bag, then the pupil."""
        taught = self.bag.fit(training, seed)(training.table)
        table = training.table
        parameters = {
            **REPRODUCIBLE,
            **PARAMETERS,
            "seed": seed,
            "monotone_constraints": [int(column.monotone) for column in table.columns],
        }
        lesson = lgb.Dataset(
            table.matrix,
            self.trust * taught + (1.0 - self.trust) * training.label,
            categorical_feature=table.categorical(),
            params={"verbosity": -1},
        )
        return booster_score(lgb.train(parameters, lesson, self.rounds).model_to_string())


def _sampler(how: str, seed: int) -> Any:
    try:
        from imblearn.over_sampling import SMOTE, RandomOverSampler  # noqa: PLC0415 - of one group of attempts only
        from imblearn.under_sampling import RandomUnderSampler  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtra(NEEDED) from error
    kinds = {"under": RandomUnderSampler, "over": RandomOverSampler, "smote": SMOTE}
    return kinds[how](random_state=seed)


def _filled(table: Table) -> FloatArray:
    """The matrix without missing values: each is its column's median, or 0 in an empty column."""
    some = ~np.isnan(table.matrix).all(axis=0)
    median = np.zeros(table.matrix.shape[1])
    median[some] = np.nanmedian(table.matrix[:, some], axis=0)
    return np.where(np.isnan(table.matrix), median, table.matrix)


def _made_up(training: Training, matrix: FloatArray, seed: int) -> Training:
    """Flights with made-up ones at their end, which borrow schedule and outcome of late ones."""
    count = len(matrix) - len(training)
    lenders: IntArray = np.random.default_rng(seed).choice(np.flatnonzero(training.late), count)
    joined = training.pick(np.concatenate([np.arange(len(training)), lenders]))
    codes = training.table.categorical()
    matrix[:, codes] = np.round(matrix[:, codes])
    # the flights themselves keep their missing values: LightGBM reads those
    matrix[: len(training)] = training.table.matrix
    table = Table(joined.table.schedule, matrix, joined.table.columns)
    return joined.on(table)


def _calibration(how: str, said: FloatArray, late: BoolArray) -> Any:
    """A function from a probability to a better one, learned from flights that were not fitted."""
    if how == "none":
        return lambda probability: probability
    if how == "platt":
        calibration = Calibration.fit(_margin(said), late)
        return lambda probability: calibration.apply(_margin(probability))
    if how == "isotonic":
        steps = IsotonicRegression(y_min=_SMALLEST, y_max=1 - _SMALLEST, out_of_bounds="clip")
        return steps.fit(said, late).predict
    model = LogisticRegression(C=np.inf).fit(_two_logs(said), late)
    return lambda probability: model.predict_proba(_two_logs(probability))[:, 1]


def _margin(probability: FloatArray) -> FloatArray:
    clipped = np.clip(probability, _SMALLEST, 1 - _SMALLEST)
    return np.log(clipped) - np.log1p(-clipped)


def _two_logs(probability: FloatArray) -> FloatArray:
    """Inputs of beta calibration.

    References
    ----------
    Kull, Silva Filho, Flach, "Beta calibration", AISTATS 2017.
    """
    clipped = np.clip(probability, _SMALLEST, 1 - _SMALLEST)
    return np.column_stack([np.log(clipped), -np.log1p(-clipped)])
