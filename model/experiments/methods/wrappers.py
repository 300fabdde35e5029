"""Methods that wrap others: resampling, calibration, bagging, blending, distillation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

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
    """Method on training flights that were resampled to as many late as punctual ones.

    Only training flights are resampled, never the flights to score.

    Attributes
    ----------
    method
        Method that is fitted on the resampled flights.
    how
        ``"under"`` leaves punctual flights out, ``"over"`` repeats late ones, ``"smote"`` makes
        late ones up between neighbours (of the features; codes are rounded, missing values are
        medians).
    """

    kind: ClassVar[str] = "resampled"

    method: Method
    how: str

    def fit(self, training: Training, seed: int) -> Score:
        """Resample, then fit."""
        return self.method.fit(self.resample(training, seed), seed)

    def resample(self, training: Training, seed: int) -> Training:
        """Return the resampled training flights."""
        sampler = _sampler(self.how, seed)
        filled = _filled(training.table)
        matrix, _ = sampler.fit_resample(filled, training.late.astype(int))
        if self.how != "smote":
            return training.pick(np.sort(sampler.sample_indices_))
        return _synthetic(training, matrix, seed)


@dataclass(frozen=True)
class Calibrated:
    """Method with a calibration that is learned from the last weeks of training.

    Attributes
    ----------
    method
        Method that is calibrated; it is fitted without the last weeks.
    how
        ``"none"`` (the cost of leaving those weeks out), ``"platt"``, ``"isotonic"`` or ``"beta"``.
    weeks
        Last weeks of the training flights.
    """

    kind: ClassVar[str] = "calibrated"

    method: Method
    how: str
    weeks: int = 6

    def fit(self, training: Training, seed: int) -> Score:
        """Fit on the weeks before, calibrate on the last ones."""
        before, recent = training.split_last(self.weeks)
        score = self.method.fit(before, seed)
        calibration = _calibration(self.how, score(recent.table), recent.late)

        def calibrated(table: Table) -> FloatArray:
            found: FloatArray = calibration(score(table))
            return found

        return calibrated


@dataclass(frozen=True)
class Bagged:
    """Mean probability of several fits with different seeds."""

    kind: ClassVar[str] = "bagged"

    method: Method
    count: int = 5

    def fit(self, training: Training, seed: int) -> Score:
        """Fit `count` times."""
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
    """Mean probability of two different methods."""

    kind: ClassVar[str] = "blended"

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
    """Booster that is trained on the probabilities of a bag: one fit to serve (distillation).

    Attributes
    ----------
    bag
        The teacher.
    rounds
        Number of trees of the student.
    weight
        Weight of the teacher's probability; the rest is the label's.
    """

    kind: ClassVar[str] = "distilled"

    bag: Bagged
    rounds: int = 250
    weight: float = 0.5

    def fit(self, training: Training, seed: int) -> Score:
        """Fit the bag, then the student."""
        teacher = self.bag.fit(training, seed)(training.table)
        table = training.table
        parameters = {
            **REPRODUCIBLE,
            **PARAMETERS,
            "seed": seed,
            "monotone_constraints": [int(column.monotone) for column in table.columns],
        }
        dataset = lgb.Dataset(
            table.matrix,
            self.weight * teacher + (1.0 - self.weight) * training.label,
            categorical_feature=table.categorical(),
            params={"verbosity": -1},
        )
        return booster_score(lgb.train(parameters, dataset, self.rounds).model_to_string())


def _sampler(how: str, seed: int) -> Any:
    try:
        from imblearn.over_sampling import SMOTE, RandomOverSampler  # noqa: PLC0415 - of one group of attempts only
        from imblearn.under_sampling import RandomUnderSampler  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtra(NEEDED) from error
    kinds = {"under": RandomUnderSampler, "over": RandomOverSampler, "smote": SMOTE}
    return kinds[how](random_state=seed)


def _filled(table: Table) -> FloatArray:
    """Replace missing values by their column's median, or by 0 in an empty column."""
    some = ~np.isnan(table.matrix).all(axis=0)
    median = np.zeros(table.matrix.shape[1])
    median[some] = np.nanmedian(table.matrix[:, some], axis=0)
    return np.where(np.isnan(table.matrix), median, table.matrix)


def _synthetic(training: Training, matrix: FloatArray, seed: int) -> Training:
    """Append synthetic flights, with schedule and outcome of random late ones."""
    count = len(matrix) - len(training)
    originals: IntArray = np.random.default_rng(seed).choice(np.flatnonzero(training.late), count)
    joined = training.pick(np.concatenate([np.arange(len(training)), originals]))
    codes = training.table.categorical()
    matrix[:, codes] = np.round(matrix[:, codes])
    # real flights keep their missing values, which LightGBM handles
    matrix[: len(training)] = training.table.matrix
    table = Table(joined.table.schedule, matrix, joined.table.columns)
    return joined.on(table)


def _calibration(how: str, predicted: FloatArray, late: BoolArray) -> Any:
    """Return a function that calibrates probabilities, learned from held-out flights."""
    if how == "none":
        return lambda probability: probability
    if how == "platt":
        calibration = Calibration.fit(_margin(predicted), late)
        return lambda probability: calibration.apply(_margin(probability))
    if how == "isotonic":
        steps = IsotonicRegression(y_min=_SMALLEST, y_max=1 - _SMALLEST, out_of_bounds="clip")
        return steps.fit(predicted, late).predict
    model = LogisticRegression(C=np.inf).fit(_two_logs(predicted), late)
    return lambda probability: model.predict_proba(_two_logs(probability))[:, 1]


def _margin(probability: FloatArray) -> FloatArray:
    clipped = np.clip(probability, _SMALLEST, 1 - _SMALLEST)
    return np.log(clipped) - np.log1p(-clipped)


def _two_logs(probability: FloatArray) -> FloatArray:
    """Return the inputs of beta calibration.

    References
    ----------
    Kull, Silva Filho, Flach, "Beta calibration", AISTATS 2017.
    """
    clipped = np.clip(probability, _SMALLEST, 1 - _SMALLEST)
    return np.column_stack([np.log(clipped), -np.log1p(-clipped)])
