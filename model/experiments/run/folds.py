"""The folds of the protocol with their features, made once and shared by all attempts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from data.flights import Outcomes
from data.schema import SCHEDULE_COLUMNS
from features.builder import FeatureBuilder
from model.evaluation.protocols import LEVELS, PROTOCOLS, Fold, scored_matrix
from model.experiments.methods.table import Column, Table, Training
from model.inference.calibration import FloatArray
from model.training.fit import TrainingSet, prepare

GROUPS: dict[str, tuple[str, ...]] = {
    "E1": ("E1",),
    "E2": ("E2",),
    "E3.schedule": ("E3.schedule",),
    "E3.fresh": ("E3.daily", "E3.live"),
}
"""Protocols whose folds share their fits, by the name of the group."""


@dataclass(frozen=True, slots=True)
class FoldData:
    """One fold: what may be learned from, and the flights to score.

    Attributes
    ----------
    fold
        Its rows in the frame.
    training
        What a method may learn from.
    scored
        The flights to score, by protocol; without outcomes.
    """

    fold: Fold
    training: Training
    scored: Mapping[str, Table]


def exams(frame: pd.DataFrame, group: str) -> Iterator[FoldData]:
    """Make the folds of a group of protocols one after the other."""
    protocols = GROUPS[group]
    for fold in PROTOCOLS[protocols[0]](frame):
        yield exam_on(frame, fold, protocols)


def exam_on(frame: pd.DataFrame, fold: Fold, protocols: Sequence[str] = ()) -> FoldData:
    """Make the features of one fold, for its own protocol or for several that share its fit."""
    rows = frame.iloc[fold.train]
    lesson = prepare(rows, LEVELS[fold.protocol])
    scored = {
        name: _table(
            lesson.builder,
            frame.iloc[fold.test],
            scored_matrix(frame, replace(fold, protocol=name), lesson.builder),
        )
        for name in protocols or (fold.protocol,)
    }
    return FoldData(fold, lesson_table(rows, lesson), scored)


def lesson_table(rows: pd.DataFrame, lesson: TrainingSet) -> Training:
    """What `model.training.fit.prepare` made of these rows."""
    table = _table(lesson.builder, rows, lesson.matrix)
    return Training(table, lesson.label, Outcomes.from_columns(rows))


def exam_of(everything: Training, fold: Fold) -> FoldData:
    """A fold whose scored flights are seen as training flights are: for oracles only."""
    scored = {fold.protocol: everything.table.pick(fold.test)}
    return FoldData(fold, everything.pick(fold.train), scored)


def columns_of(builder: FeatureBuilder) -> tuple[Column, ...]:
    """Describe the columns of a builder's matrix."""
    return tuple(
        Column(name, family.key, name in builder.categorical, name in builder.monotone)
        for family in builder.families
        for name in family.names
    )


def _table(builder: FeatureBuilder, rows: pd.DataFrame, matrix: FloatArray) -> Table:
    return Table(rows[list(SCHEDULE_COLUMNS)], matrix, columns_of(builder))
