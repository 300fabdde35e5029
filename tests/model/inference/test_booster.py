"""Test that the C API gives the scores of LightGBM's package, bit for bit, and clear errors."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pytest

from model.errors import BundleError
from model.inference.booster import Booster
from model.inference.calibration import FloatArray
from model.inference.predictor import Predictor

PROJECT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def booster(predictor: Predictor) -> Booster:
    """Return the Booster of the small model."""
    return predictor.booster


@pytest.fixture(scope="module")
def reference(booster: Booster) -> lgb.Booster:
    """Return the same model as LightGBM's package reads it."""
    return lgb.Booster(model_str=booster.text)


@pytest.fixture(scope="module")
def rows(matrix: FloatArray) -> FloatArray:
    """Return a thousand rows, some with missing or extreme values."""
    rows = matrix[:1000].copy()
    random = np.random.default_rng(0)
    rows[random.random(rows.shape) < 0.02] = np.nan
    rows[random.random(rows.shape) < 0.02] = -1.0
    rows[random.random(rows.shape) < 0.01] = 1e9
    return rows


def test_the_model_knows_its_size(booster: Booster, reference: lgb.Booster) -> None:
    """Trees and features are those that LightGBM's package counts."""
    assert booster.trees == reference.num_trees()
    assert booster.features == reference.num_feature()


def test_raw_scores_are_those_of_the_package(
    booster: Booster, reference: lgb.Booster, rows: FloatArray
) -> None:
    """All log-odds equal those of the package to the last bit."""
    scores = booster.raw_scores(rows)
    assert (scores == reference.predict(rows, raw_score=True)).all()
    assert len(np.unique(scores)) > 100


def test_contributions_are_those_of_the_package(
    booster: Booster, reference: lgb.Booster, rows: FloatArray
) -> None:
    """All contributions equal those of the package to the last bit."""
    contributions = booster.contributions(rows[:200])
    assert contributions.shape == (200, booster.features + 1)
    assert (contributions == reference.predict(rows[:200], pred_contrib=True)).all()


def test_contributions_add_up_to_the_raw_score(booster: Booster, rows: FloatArray) -> None:
    """The contributions and the expected value sum to the log-odds."""
    total = booster.contributions(rows[:200]).sum(axis=1)
    np.testing.assert_allclose(total, booster.raw_scores(rows[:200]), rtol=0, atol=1e-9)


def test_a_score_does_not_depend_on_the_batch(booster: Booster, rows: FloatArray) -> None:
    """Rows scored one by one have the scores of one batch."""
    alone = [booster.raw_scores(rows[n : n + 1])[0] for n in range(100)]
    assert alone == booster.raw_scores(rows)[:100].tolist()


def test_threads_change_nothing(booster: Booster, rows: FloatArray) -> None:
    """Scores of one thread and of two are equal."""
    one, two = Booster(booster.text, threads=1), Booster(booster.text, threads=2)
    assert (one.raw_scores(rows) == two.raw_scores(rows)).all()


def test_a_booster_is_thread_safe(booster: Booster, rows: FloatArray) -> None:
    """Concurrent callers get the scores of their own rows."""
    expected = booster.raw_scores(rows)
    starts = list(range(0, 1000, 50))
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda n: booster.raw_scores(rows[n : n + 50]), starts))
    assert (np.concatenate(parts) == expected).all()


def test_the_layout_in_memory_does_not_matter(booster: Booster, rows: FloatArray) -> None:
    """Fortran order, every second row and a view of a wider matrix give the same scores."""
    expected = booster.raw_scores(rows)
    wide = np.hstack([rows, rows])
    assert (booster.raw_scores(np.asfortranarray(rows)) == expected).all()
    assert (booster.raw_scores(rows[::2]) == expected[::2]).all()
    assert (booster.raw_scores(wide[:, : booster.features]) == expected).all()


def test_other_kinds_of_numbers_are_converted(booster: Booster, matrix: FloatArray) -> None:
    """Single precision and integers give the scores of the same doubles."""
    whole = np.nan_to_num(matrix[:50]).round()
    expected = booster.raw_scores(whole)
    for kind in (np.float32, np.int64):
        assert (booster.raw_scores(whole.astype(kind)) == expected).all()


def test_no_row_has_no_score(booster: Booster) -> None:
    """An empty matrix gives an empty result of the right shape."""
    nothing = np.empty((0, booster.features))
    assert booster.raw_scores(nothing).shape == (0,)
    assert booster.contributions(nothing).shape == (0, booster.features + 1)


@pytest.mark.parametrize("extra", [-1, 1])
@pytest.mark.parametrize("count", [0, 3])
def test_a_wrong_number_of_features_is_refused(booster: Booster, count: int, extra: int) -> None:
    """A column too many or too few is an error with both numbers, even without a row."""
    shape = (count, booster.features + extra)
    with pytest.raises(ValueError, match=f"takes {booster.features} features.*{shape[1]}"):
        booster.raw_scores(np.zeros(shape))
    with pytest.raises(ValueError, match=f"takes {booster.features} features.*{shape[1]}"):
        booster.contributions(np.zeros(shape))


def test_a_single_row_must_still_be_a_matrix(booster: Booster) -> None:
    """An array of one dimension is an error."""
    with pytest.raises(ValueError, match="not shape"):
        booster.raw_scores(np.zeros(booster.features))


@pytest.mark.parametrize("text", ["", "garbage", "tree\nversion=v4\n", "\N{SNOWMAN}" * 500])
def test_text_that_is_no_model_is_refused(text: str) -> None:
    """A text that is not in LightGBM's format is a `BundleError`."""
    with pytest.raises(BundleError, match="LightGBM refused the model"):
        Booster(text)


@pytest.mark.parametrize("text", ["end of trees\n", "tree\nversion=v4\n\nend of trees\n"])
def test_the_error_has_the_reason_of_lightgbm(text: str) -> None:
    """A text that ends like a model but is none gives LightGBM's reason."""
    with pytest.raises(BundleError, match=r"LightGBM refused the model: .*number of classes"):
        Booster(text)


def test_half_a_model_is_refused(booster: Booster, tmp_path: Path) -> None:
    """Half of a model text is an error and does not abort the process."""
    half = tmp_path / "half.txt"
    half.write_text(booster.text[: len(booster.text) // 2])
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from model.inference.booster import Booster\n"
        "from model.errors import BundleError\n"
        "try:\n"
        "    Booster(Path(sys.argv[1]).read_text())\n"
        "except BundleError:\n"
        "    sys.exit(42)\n"
    )
    command = [sys.executable, "-c", script, str(half)]
    ended = subprocess.run(command, cwd=PROJECT, capture_output=True, check=False)
    assert ended.returncode == 42
