"""Record a parameter search: every tried parameter set, in one readable JSON file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from model.errors import StudyError


@dataclass(frozen=True, slots=True)
class Trial:
    """Parameter set with its log loss.

    Attributes
    ----------
    log_loss
        Mean per flight, pooled over the months of the search.
    by_month
        Log loss of each month.
    parameters
        The searched parameters; the fixed ones are in the study's terms.
    """

    log_loss: float
    by_month: dict[str, float]
    parameters: dict[str, float]


class Study:
    """Trials of a search, in their order, and its terms.

    Parameters
    ----------
    terms
        Flights, months, seed and all else that must be equal for trials to be comparable.
    path
        File of the study; without it the study is not saved.
    """

    def __init__(self, terms: dict[str, Any], path: Path | None) -> None:
        self.terms = terms
        self.trials: list[Trial] = []
        self._path = path

    @classmethod
    def open(cls, path: Path | None, terms: dict[str, Any]) -> Self:
        """Return the study of a file, or a new one if there is no file.

        Raises
        ------
        StudyError
            If the file is not a study, or has other terms.
        """
        study = cls(terms, path)
        if path is None or not path.exists():
            return study
        try:
            saved = json.loads(path.read_text())
            study.trials = [Trial(**trial) for trial in saved["trials"]]
        except (ValueError, KeyError, TypeError) as error:
            message = f"{path} is not a study ({error}). Name another file or remove it"
            raise StudyError(message) from error
        other = sorted(name for name, value in terms.items() if saved.get(name) != value)
        if other:
            message = (
                f"{path} holds a study with other terms ({', '.join(other)}). "
                "Name another file, or remove it to start again"
            )
            raise StudyError(message)
        return study

    @property
    def best(self) -> Trial:
        """Return the trial with the lowest log loss; of equal ones the first."""
        return min(self.trials, key=lambda trial: trial.log_loss)

    def add(self, trial: Trial) -> None:
        """Append a trial and save the study; the file is replaced atomically."""
        self.trials.append(trial)
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        saved = {**self.terms, "trials": [asdict(each) for each in self.trials]}
        fresh = self._path.with_name(f".{self._path.name}")
        fresh.write_text(json.dumps(saved, indent=1) + "\n")
        fresh.replace(self._path)
