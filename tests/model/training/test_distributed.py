"""A Booster grown on a cluster is as good as one grown on one machine, on the same rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from data.flights import Flights
from features.builder import Level
from model.errors import ClusterError
from model.inference.booster import Booster
from model.inference.calibration import FloatArray, sigmoid
from model.training.distributed import connected, growing
from model.training.fit import TrainingConfig, TrainingSet, fit_booster, prepare

pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Creating scratch directories:UserWarning"),
]

RECIPE = TrainingConfig(rounds=40)
WORKERS, MEMORY_MB = 2, 2000


@pytest.fixture(scope="module")
def past(frame: pd.DataFrame) -> TrainingSet:
    """Flights to the end of September."""
    return prepare(frame[frame["scheduled_departure"] < "2017-10-01"], Level.SCHEDULE)


@pytest.fixture(scope="module")
def future(frame: pd.DataFrame) -> pd.DataFrame:
    """Flights from October on."""
    return frame[frame["scheduled_departure"] >= "2017-10-01"]


def test_quality_is_that_of_one_machine(past: TrainingSet, future: pd.DataFrame) -> None:
    """Ranking and log loss on later flights agree to what another seed would change, too."""
    here = fit_booster(past, RECIPE)
    with growing(WORKERS, f"{MEMORY_MB}MB") as grow:
        there = grow(past, RECIPE)
    late = future["delayed"].to_numpy()
    matrix = past.builder.transform(Flights.from_columns(future))
    one, other = (sigmoid(booster.raw_scores(matrix)) for booster in (here, there))
    assert abs(roc_auc_score(late, one) - roc_auc_score(late, other)) < 0.01
    assert abs(log_loss(late, one) - log_loss(late, other)) < 0.005
    assert there.trees == here.trees
    _check_rising(there, past)


def _check_rising(booster: Booster, lesson: TrainingSet) -> None:
    """Where a feature may only raise the risk, it does so in the cluster's trees too."""
    rows: FloatArray = lesson.matrix[:200]
    for name in lesson.builder.monotone:
        higher = rows.copy()
        higher[:, lesson.builder.feature_names.index(name)] += 0.5
        assert np.all(booster.raw_scores(higher) >= booster.raw_scores(rows) - 1e-12), name


def test_the_model_tells_nothing_of_the_cluster(past: TrainingSet) -> None:
    """Addresses and ports of the workers do not travel with the model."""
    with growing(1, f"{MEMORY_MB}MB") as grow:
        text = grow(past, TrainingConfig(rounds=2)).text
    assert "127.0.0.1" not in text
    assert "[num_machines" not in text


def test_no_scheduler_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address where nobody answers ends with a message."""
    monkeypatch.setattr("model.training.distributed.CONNECT_SECONDS", "1s")
    with (
        pytest.raises(ClusterError, match="no Dask scheduler answers"),
        connected(1, "1GB", "tcp://127.0.0.1:9"),
    ):
        pass
