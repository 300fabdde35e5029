"""Write and read a model as files: trees, regression, features, calibration, card. No pickle.

A bundle is a folder. The same model gives the same bytes: nothing in it depends on when or where
it was written. `SHA256SUMS` covers every other file and is checked before any file is used.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

from features.builder import FeatureBuilder
from model.errors import BundleError
from model.inference.booster import Booster
from model.inference.calibration import Calibration
from model.inference.decision import Decision
from model.inference.logistic_regression import LogisticModel
from model.inference.predictor import Predictor
from model.inference.scorer import Scorer

BOOSTER_FILE = "saved_model.ubj"
"""Name under which `bentoml.lightgbm.load_model` looks for a Booster; LightGBM's text format."""
FEATURES_FILE = "features.json"
REGRESSION_FILE = "linear.json"
FRESH_BOOSTER_FILE = "fresh_booster.txt"
FRESH_FEATURES_FILE = "fresh_features.json"
FRESH_REGRESSION_FILE = "fresh_linear.json"
"""The same three files of the level that knows fresh outcomes."""
SCORING_FILE = "scoring.json"
CARD_FILE = "card.json"
EVALUATION_FILE = "evaluation.json"
SCHEDULE_FILES = (BOOSTER_FILE, FEATURES_FILE, REGRESSION_FILE)
FRESH_FILES = (FRESH_BOOSTER_FILE, FRESH_FEATURES_FILE, FRESH_REGRESSION_FILE)
FILES = (*SCHEDULE_FILES, *FRESH_FILES, SCORING_FILE, CARD_FILE, EVALUATION_FILE)
SUMS_FILE = "SHA256SUMS"

JsonObject = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Bundle:
    """Predictor with its model card and evaluation.

    Attributes
    ----------
    card
        Data, window, parameters, libraries and headline figures of the model.
    evaluation
        The full result of the evaluation protocol; empty where it was skipped.
    """

    predictor: Predictor
    card: JsonObject
    evaluation: JsonObject

    def files(self) -> dict[str, bytes]:
        """Return the content of every file by its name, `SHA256SUMS` last."""
        predictor = self.predictor
        scoring = {
            "calibration": predictor.calibration.to_json(),
            "decision": predictor.decision.to_json(),
        }
        contents = {
            **_level_files(predictor.schedule, SCHEDULE_FILES),
            **_level_files(predictor.fresh, FRESH_FILES),
            SCORING_FILE: _json_bytes(scoring),
            CARD_FILE: _json_bytes(self.card),
            EVALUATION_FILE: _json_bytes(self.evaluation),
        }
        sums = "".join(f"{_sha256(data)}  {name}\n" for name, data in contents.items())
        return {**contents, SUMS_FILE: sums.encode()}

    def write(self, folder: Path) -> None:
        """Write every file into an existing folder."""
        for name, data in self.files().items():
            (folder / name).write_bytes(data)

    @classmethod
    def read(cls, folder: Path, threads: int = 0) -> Self:
        """Read a bundle and check it against its sums.

        Raises
        ------
        BundleError
            If a file is missing, differs from what was written, or has another format.
        """
        contents = _checked(folder)
        schedule = _scorer(folder, contents, SCHEDULE_FILES, threads)
        fresh = _scorer(folder, contents, FRESH_FILES, threads)
        try:
            scoring = json.loads(contents[SCORING_FILE])
            calibration = Calibration.from_json(scoring["calibration"])
            decision = Decision.from_json(scoring["decision"])
        except (ValueError, KeyError) as error:
            raise _unreadable(folder / SCORING_FILE, error) from error
        predictor = Predictor(schedule, fresh, calibration, decision)
        return cls(
            predictor=predictor,
            card=json.loads(contents[CARD_FILE]),
            evaluation=json.loads(contents[EVALUATION_FILE]),
        )


def digest(contents: dict[str, bytes]) -> str:
    """Return a short name of a bundle's content: ten hexadecimal digits."""
    return _sha256(contents[SUMS_FILE])[:10]


LevelFiles = tuple[str, str, str]
"""Names of the files of one level: trees, features, regression."""


def _level_files(scorer: Scorer, names: LevelFiles) -> dict[str, bytes]:
    texts = (scorer.booster.text, scorer.builder.to_json())
    contents = [*(text.encode() for text in texts), _json_bytes(scorer.regression.to_json())]
    return dict(zip(names, contents, strict=True))


def _scorer(folder: Path, contents: dict[str, bytes], names: LevelFiles, threads: int) -> Scorer:
    """Return one level of the model, after comparing the feature counts of its three files."""
    trees, features, weights = names
    builder = _parsed(folder, contents, features, FeatureBuilder.from_json)
    regression = _parsed(
        folder, contents, weights, lambda text: LogisticModel.from_json(json.loads(text))
    )
    booster = Booster(contents[trees].decode(), threads)
    models = (("Booster", booster.features), ("logistic regression", regression.features))
    for name, taken in models:
        if taken != len(builder.feature_names):
            message = (
                f"{folder} was trained by another version of this code: its {name} takes "
                f"{taken} features, the builder makes {len(builder.feature_names)}. Train again"
            )
            raise BundleError(message)
    return Scorer(builder, booster, regression)


def _parsed(folder: Path, contents: dict[str, bytes], name: str, parse: Callable[[str], T]) -> T:
    try:
        return parse(contents[name].decode())
    except (ValueError, KeyError, TypeError) as error:
        raise _unreadable(folder / name, error) from error


def _checked(folder: Path) -> dict[str, bytes]:
    """Return every file of a bundle by its name, after comparing it with `SHA256SUMS`."""
    contents = {}
    for line in _read(folder / SUMS_FILE).decode(errors="replace").splitlines():
        expected, _, name = line.partition("  ")
        if name not in FILES:
            message = f"{folder / SUMS_FILE} is damaged: it has a line {line[:80]!r}. Train again"
            raise BundleError(message)
        contents[name] = _read(folder / name)
        if _sha256(contents[name]) != expected:
            message = (
                f"{folder / name} is damaged: its sha256 differs from {SUMS_FILE}. Train again"
            )
            raise BundleError(message)
    missing = set(FILES) - set(contents)
    if missing:
        message = f"{folder / SUMS_FILE} does not list {', '.join(sorted(missing))}. Train again"
        raise BundleError(message)
    return contents


def _unreadable(path: Path, error: Exception) -> BundleError:
    return BundleError(f"{path} was written by another version of this code ({error}). Train again")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"the model's file {path} cannot be read ({error.strerror}). Train again"
        raise BundleError(message) from error


def _json_bytes(value: JsonObject) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
