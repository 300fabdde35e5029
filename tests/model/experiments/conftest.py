"""Fixtures of experiments: few flights and their folds, to fit every attempt quickly."""

from __future__ import annotations

import os
from collections.abc import Callable

import pandas as pd
import pytest

from model.experiments.run.folds import GROUPS, FoldData, make_folds
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
def cache(tiny: pd.DataFrame) -> FoldCache:
    """Give the cache of the folds of those flights."""
    return FoldCache(tiny)


@pytest.fixture(scope="session")
def last_fold(tiny: pd.DataFrame) -> Callable[[str], FoldData]:
    """Give a function that returns the last fold of a group."""
    known: dict[str, FoldData] = {}

    def last(group: str) -> FoldData:
        if group not in known:
            known[group] = list(make_folds(tiny, group))[-1]
        return known[group]

    return last


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Leave the other cores to other tests."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(params=list(GROUPS))
def group(request: pytest.FixtureRequest) -> str:
    """Give each group of protocols in turn."""
    return str(request.param)
