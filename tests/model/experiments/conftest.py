"""A part of the flights and of their folds, small enough to fit every attempt on."""

from __future__ import annotations

import os
from collections.abc import Callable

import pandas as pd
import pytest

from model.experiments.run.folds import GROUPS, FoldData, exams
from model.experiments.run.work_list import FoldCache
from model.training.fit import MINIMUM_FLIGHTS

EVERY = 40


@pytest.fixture(scope="session")
def tiny(frame: pd.DataFrame) -> pd.DataFrame:
    """Give every fortieth flight of the year."""
    part = frame.iloc[::EVERY].reset_index(drop=True)
    assert len(part) > 1.6 * MINIMUM_FLIGHTS
    return part


@pytest.fixture(scope="session")
def shelf(tiny: pd.DataFrame) -> FoldCache:
    """Give those flights, with their folds once they are asked for."""
    return FoldCache(tiny)


@pytest.fixture(scope="session")
def exam(tiny: pd.DataFrame) -> Callable[[str], FoldData]:
    """Give the last fold of a group."""
    known: dict[str, FoldData] = {}

    def last(group: str) -> FoldData:
        if group not in known:
            known[group] = list(exams(tiny, group))[-1]
        return known[group]

    return last


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Leave the other cores to the other tests."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(params=list(GROUPS))
def group(request: pytest.FixtureRequest) -> str:
    """Give each group of protocols in turn."""
    return str(request.param)
