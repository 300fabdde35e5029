"""Other models: estimators of scikit-learn, XGBoost and CatBoost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from model.errors import MissingExtra
from model.experiments.methods.table import Score, Table, Training
from model.inference.calibration import FloatArray

Encode = Callable[[Table], Any]

MINIMUM_FLIGHTS = 20
"""Minimal flights of a category with its own column; rarer ones share one."""
NEEDED = "this attempt needs a package of the dependency group `experiments`: make experiments"


@dataclass(frozen=True)
class Notebook:
    """Model of the original notebook: airline, flight type and month, one-hot.

    Attributes
    ----------
    model
        ``"logistic"`` or ``"xgboost"``, both with the notebook's parameters.
    balanced
        Whether late flights have the same total weight as punctual ones.
    """

    kind: ClassVar[str] = "notebook"

    model: str
    balanced: bool = False

    def fit(self, training: Training, seed: int) -> Score:
        """Fit as the notebook did."""
        encoder = OneHotEncoder(handle_unknown="ignore").fit(_notebook_columns(training.table))

        def encode(table: Table) -> Any:
            return encoder.transform(_notebook_columns(table))

        return learn(self._estimator(training, seed), encode, training)

    def _estimator(self, training: Training, seed: int) -> Any:
        if self.model == "logistic":
            return LogisticRegression(class_weight="balanced" if self.balanced else None)
        punctual = float((~training.late).sum() / training.late.sum())
        return _xgboost()(
            learning_rate=0.01,
            random_state=seed,
            n_jobs=1,
            scale_pos_weight=punctual if self.balanced else 1.0,
        )


@dataclass(frozen=True)
class Logistic:
    """Logistic regression of scikit-learn on all features: codes one-hot, numbers standardised.

    Attributes
    ----------
    strength
        Inverse of the penalty on squared weights.
    soft
        Whether it learns the served model's soft labels: each flight is used twice, as late and as
        punctual, with the label and its complement as weights.
    """

    kind: ClassVar[str] = "logistic"

    strength: float = 0.05
    soft: bool = False

    def fit(self, training: Training, seed: int) -> Score:
        """Fit by L-BFGS."""
        encode = one_hot_and_scaled(training.table)
        model = LogisticRegression(C=self.strength, max_iter=300, random_state=seed)
        if not self.soft:
            return learn(model, encode, training)
        inputs, late = encode(training.table), np.repeat([1, 0], len(training))
        weight = np.concatenate([training.label, 1.0 - training.label])
        model.fit(np.vstack([inputs, inputs]), late, sample_weight=weight)
        return probabilities(model, encode)


@dataclass(frozen=True)
class Forest:
    """Random forest on all features, codes as numbers."""

    kind: ClassVar[str] = "forest"

    trees: int = 60
    leaf: int = 20
    share: float = 0.3

    def fit(self, training: Training, seed: int) -> Score:
        """Fit the trees, which split on missing values too."""
        model = RandomForestClassifier(
            self.trees, min_samples_leaf=self.leaf, max_samples=self.share, random_state=seed
        )
        return learn(model, lambda table: table.matrix, training)


@dataclass(frozen=True)
class Network:
    """Small neural network (multi-layer perceptron) on one-hot codes and scaled numbers."""

    kind: ClassVar[str] = "network"

    hidden: tuple[int, ...] = (32, 16)
    epochs: int = 4
    decay: float = 0.03

    def fit(self, training: Training, seed: int) -> Score:
        """Fit by Adam for a fixed number of epochs: early stopping would hold out random rows."""
        encode = one_hot_and_scaled(training.table)
        random = np.random.default_rng(seed)
        model = MLPClassifier(
            self.hidden,
            alpha=self.decay,
            batch_size=256,
            random_state=seed,
            learning_rate_init=1e-3,
        )
        inputs, late = encode(training.table), training.late.astype(int)
        for _ in range(self.epochs):
            order = random.permutation(len(training))
            for part in np.array_split(order, max(1, len(order) // 256)):
                model.partial_fit(inputs[part], late[part], classes=[0, 1])
        return probabilities(model, encode)


@dataclass(frozen=True)
class CatBoost:
    """CatBoost on all features with its ordered encoding of single codes."""

    kind: ClassVar[str] = "catboost"

    trees: int = 120
    depth: int = 5
    learning_rate: float = 0.1

    def fit(self, training: Training, seed: int) -> Score:
        """Fit the trees on one thread."""
        try:
            from catboost import CatBoostClassifier  # noqa: PLC0415 - optional: only this attempt needs it
        except ImportError as error:
            raise MissingExtra(NEEDED) from error
        codes = training.table.categorical()
        monotone = [int(column.monotone) for column in training.table.columns]
        model = CatBoostClassifier(
            iterations=self.trees,
            depth=self.depth,
            learning_rate=self.learning_rate,
            random_seed=seed,
            thread_count=1,
            cat_features=codes,
            max_ctr_complexity=1,
            monotone_constraints=monotone,
            allow_writing_files=False,
            verbose=0,
        )
        return learn(model, lambda table: _with_whole_codes(table.matrix, codes), training)


@dataclass(frozen=True)
class XGBoost:
    """XGBoost on all features, codes as numbers, with the served Booster's size and constraints."""

    kind: ClassVar[str] = "xgboost"

    trees: int = 250
    leaves: int = 15
    learning_rate: float = 0.05
    late_weight: float = 1.0

    def fit(self, training: Training, seed: int) -> Score:
        """Fit the trees on one thread."""
        monotone = tuple(int(column.monotone) for column in training.table.columns)
        model = _xgboost()(
            n_estimators=self.trees,
            max_leaves=self.leaves,
            max_depth=0,
            grow_policy="lossguide",
            tree_method="hist",
            learning_rate=self.learning_rate,
            min_child_weight=15,
            subsample=0.7,
            colsample_bynode=0.7,
            reg_lambda=5.0,
            monotone_constraints=monotone,
            scale_pos_weight=self.late_weight,
            random_state=seed,
            n_jobs=1,
        )
        return learn(model, lambda table: table.matrix, training)


def learn(model: Any, encode: Encode, training: Training) -> Score:
    """Fit an estimator with scikit-learn's interface on the hard labels."""
    model.fit(encode(training.table), training.late.astype(int))
    return probabilities(model, encode)


def probabilities(model: Any, encode: Encode) -> Score:
    """Return a function that scores with a fitted estimator."""

    def score(table: Table) -> FloatArray:
        found: FloatArray = model.predict_proba(encode(table))[:, 1].astype(float)
        return found

    return score


def one_hot_and_scaled(table: Table) -> Encode:
    """Learn an encoding: codes one-hot, numbers standardised, missing ones set to the median."""
    codes = table.categorical()
    numbers = [at for at in range(len(table.columns)) if at not in codes]
    one_hot = OneHotEncoder(
        handle_unknown="infrequent_if_exist", min_frequency=MINIMUM_FLIGHTS, sparse_output=False
    )
    scaled = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()
    )
    one_hot.fit(table.matrix[:, codes])
    scaled.fit(table.matrix[:, numbers])

    def encode(other: Table) -> FloatArray:
        matrix = other.matrix
        return np.hstack(
            [one_hot.transform(matrix[:, codes]), scaled.transform(matrix[:, numbers])]
        )

    return encode


def _notebook_columns(table: Table) -> npt.NDArray[np.object_]:
    month = table.schedule["scheduled_departure"].dt.month.astype(str)
    kind = [kind or "N" for kind in table.flights.flight_type]
    return np.column_stack([table.schedule["airline"], kind, month]).astype(object)


def _with_whole_codes(matrix: FloatArray, codes: Sequence[int]) -> npt.NDArray[np.object_]:
    """Convert codes to integers, as CatBoost requires."""
    mixed = matrix.astype(object)
    for column in codes:
        mixed[:, column] = matrix[:, column].astype(int)
    return mixed


def _xgboost() -> Any:
    try:
        from xgboost import XGBClassifier  # noqa: PLC0415 - optional: only this attempt needs it
    except ImportError as error:
        raise MissingExtra(NEEDED) from error
    return XGBClassifier
