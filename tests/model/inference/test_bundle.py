"""Test that equal models give equal files, and that damage is found before a model is used."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightgbm as lgb
import pytest

from data.flights import Flights
from model.errors import BundleError
from model.inference.bundle import (
    BOOSTER_FILE,
    CARD_FILE,
    EVALUATION_FILE,
    FEATURES_FILE,
    FRESH_FILES,
    FRESH_REGRESSION_FILE,
    REGRESSION_FILE,
    SCORING_FILE,
    SUMS_FILE,
    Bundle,
    digest,
)
from model.inference.predictor import Predictor

CONTENT_FILES = (
    BOOSTER_FILE,
    FEATURES_FILE,
    REGRESSION_FILE,
    *FRESH_FILES,
    SCORING_FILE,
    CARD_FILE,
    EVALUATION_FILE,
)
CARD = {"predicts": "delays", "airlines": {"AMX": "Aeroméxico"}, "flights": 3}
EVALUATION = {"E3.schedule": {"auc": 0.1 + 0.2, "by_day": {"2017-04-01": [3, 0.25]}}}


@pytest.fixture(scope="module")
def small(predictor: Predictor) -> Bundle:
    """Return a small model with a card and an evaluation."""
    return Bundle(predictor, CARD, EVALUATION)


@pytest.fixture
def folder(small: Bundle, tmp_path: Path) -> Path:
    """Return a folder with the files of the small model."""
    small.write(tmp_path)
    return tmp_path


def _rewrite(folder: Path, name: str, change: Callable[[Any], Any]) -> None:
    """Change a JSON file and update its checksum."""
    data = json.dumps(change(json.loads((folder / name).read_bytes()))).encode()
    (folder / name).write_bytes(data)
    _enter_sum(folder, name)


def _enter_sum(folder: Path, name: str) -> None:
    new = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    lines = (folder / SUMS_FILE).read_text().splitlines()
    changed = [f"{new}  {name}" if line.endswith(f"  {name}") else line for line in lines]
    (folder / SUMS_FILE).write_text("\n".join(changed) + "\n")


def _flip_a_bit(path: Path, bit: int = 1) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= bit
    path.write_bytes(data)


def test_a_model_that_was_read_predicts_the_same(
    small: Bundle, folder: Path, few_flights: Flights
) -> None:
    """A model read from its files gives equal probabilities, decisions and bands."""
    before = small.predictor.predict(few_flights)
    after = Bundle.read(folder).predictor.predict(few_flights)
    assert (after.probability == before.probability).all()
    assert (after.delayed == before.delayed).all()
    assert (after.band == before.band).all()
    assert after.unknown == before.unknown
    assert before.delayed.any()


def test_card_and_evaluation_survive_their_files(small: Bundle, folder: Path) -> None:
    """Card, evaluation, calibration and decision are equal after reading."""
    again = Bundle.read(folder)
    assert again.card == CARD
    assert again.evaluation == EVALUATION
    assert again.predictor.calibration == small.predictor.calibration
    assert again.predictor.decision == small.predictor.decision


def test_the_same_model_gives_the_same_bytes(small: Bundle, folder: Path) -> None:
    """Files depend neither on the time nor on the order of keys in the card."""
    turned = replace(small, card=dict(reversed(CARD.items())))
    assert turned.files() == small.files()
    assert Bundle.read(folder).files() == small.files()


def test_the_folder_holds_the_files_and_no_other(small: Bundle, folder: Path) -> None:
    """The folder has exactly the files of `files`, the sums last."""
    written = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert written == small.files()
    assert list(small.files()) == [*CONTENT_FILES, SUMS_FILE]


def test_the_sums_are_in_the_form_of_sha256sum(folder: Path) -> None:
    """Each file is listed once with its SHA-256, separated by two spaces."""
    lines = (folder / SUMS_FILE).read_text().splitlines()
    assert lines == [
        f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}"
        for name in CONTENT_FILES
    ]


def test_the_booster_is_a_file_that_lightgbm_reads(small: Bundle, folder: Path) -> None:
    """LightGBM's package loads the model from the bundle."""
    loaded = lgb.Booster(model_file=folder / BOOSTER_FILE)
    assert loaded.num_trees() == small.predictor.booster.trees
    assert loaded.feature_name() == list(small.predictor.builder.feature_names)


def test_text_is_kept_readable(folder: Path) -> None:
    """Accented letters are not escaped."""
    assert "Aeroméxico" in (folder / CARD_FILE).read_text(encoding="utf-8")


def test_the_digest_names_the_content(small: Bundle) -> None:
    """The digest is ten hexadecimal digits that depend on the content only."""
    name = digest(small.files())
    assert len(name) == 10
    assert int(name, 16) >= 0
    assert digest(small.files()) == name
    assert digest(replace(small, card={}).files()) != name


@pytest.mark.parametrize("name", CONTENT_FILES)
def test_a_flipped_bit_is_found(folder: Path, name: str) -> None:
    """One flipped bit in any file is an error that names the file."""
    _flip_a_bit(folder / name)
    with pytest.raises(BundleError, match=f"{name} is damaged"):
        Bundle.read(folder)


@pytest.mark.parametrize("name", CONTENT_FILES)
def test_a_truncated_file_is_found(folder: Path, name: str) -> None:
    """A file without its last byte is an error that names it."""
    path = folder / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BundleError, match=f"{name} is damaged"):
        Bundle.read(folder)


@pytest.mark.parametrize("name", [*CONTENT_FILES, SUMS_FILE])
def test_a_missing_file_is_found(folder: Path, name: str) -> None:
    """A missing file is an error with its name, the system's reason and a remedy."""
    (folder / name).unlink()
    with pytest.raises(BundleError, match=f"{name} cannot be read .No such file.* Train again"):
        Bundle.read(folder)


@pytest.mark.parametrize("name", CONTENT_FILES)
def test_a_file_without_a_sum_is_refused(folder: Path, name: str) -> None:
    """A file that the sums do not list is an error that names it."""
    lines = (folder / SUMS_FILE).read_text().splitlines(keepends=True)
    (folder / SUMS_FILE).write_text("".join(each for each in lines if each.split()[1] != name))
    with pytest.raises(BundleError, match=f"{SUMS_FILE} does not list {name}"):
        Bundle.read(folder)


def test_a_wrong_sum_is_found(folder: Path) -> None:
    """A changed digit in the sums is an error."""
    text = (folder / SUMS_FILE).read_text()
    other = "1" if text[0] == "0" else "0"
    (folder / SUMS_FILE).write_text(other + text[1:])
    with pytest.raises(BundleError, match="is damaged"):
        Bundle.read(folder)


@pytest.mark.parametrize("change", [lambda data: data[:-70], lambda data: b"\xff" + data[1:]])
def test_damaged_sums_are_found(folder: Path, change: Callable[[bytes], bytes]) -> None:
    """Truncated or binary sums are an error that names the file."""
    path = folder / SUMS_FILE
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(BundleError, match=SUMS_FILE):
        Bundle.read(folder)


def test_features_of_another_format_are_refused(folder: Path) -> None:
    """Features of another version are an error with the file, the format and a remedy."""
    _rewrite(folder, FEATURES_FILE, lambda saved: saved | {"format": 99})
    with pytest.raises(BundleError, match=rf"{FEATURES_FILE}.*features have format 99.*retrain"):
        Bundle.read(folder)


@pytest.mark.parametrize("part", ["calibration", "decision"])
def test_scoring_of_another_format_is_refused(folder: Path, part: str) -> None:
    """A scoring file without one of its parts is an error that names it."""
    _rewrite(folder, SCORING_FILE, lambda saved: {k: v for k, v in saved.items() if k != part})
    with pytest.raises(BundleError, match=SCORING_FILE):
        Bundle.read(folder)


def test_a_booster_that_is_no_model_is_refused(folder: Path) -> None:
    """A file that is not a Booster is an error, even if its checksum is right."""
    (folder / BOOSTER_FILE).write_text("not a model")
    _enter_sum(folder, BOOSTER_FILE)
    with pytest.raises(BundleError, match="LightGBM refused the model"):
        Bundle.read(folder)


def test_a_booster_of_other_features_is_refused(
    folder: Path, small: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Different numbers of columns of builder and Booster are an error with both numbers."""
    transformer = small.predictor.builder.transformers[0]
    monkeypatch.setattr(type(transformer), "names", (*transformer.names, "another"))
    features = small.predictor.booster.features
    with pytest.raises(BundleError, match=f"takes {features} features.* makes {features + 1}"):
        Bundle.read(folder)


@pytest.mark.parametrize("name", [REGRESSION_FILE, FRESH_REGRESSION_FILE])
def test_a_regression_of_another_format_is_refused(folder: Path, name: str) -> None:
    """A regression with other fields is an error that names its file."""
    _rewrite(folder, name, lambda saved: {**saved, "columns": [{"kind": "number", "slope": 1}]})
    with pytest.raises(BundleError, match=name):
        Bundle.read(folder)


def test_a_regression_of_other_features_is_refused(folder: Path) -> None:
    """A regression with a missing column is an error."""
    _rewrite(folder, REGRESSION_FILE, lambda saved: {**saved, "columns": saved["columns"][1:]})
    with pytest.raises(BundleError, match="its logistic regression takes"):
        Bundle.read(folder)
