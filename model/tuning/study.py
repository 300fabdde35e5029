"""A search on record: every parameter set that was tried, as one JSON file that people can read."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from model.errors import StudyError


@dataclass(frozen=True, slots=True)
class Trial:
    """One parameter set and what it came to.

    Attributes
    ----------
    log_loss
        Per flight, pooled over the months that the study is judged on.
    by_month
        The same of each month.
    parameters
        Those that were searched; the others are in the study's terms.
    """

    log_loss: float
    by_month: dict[str, float]
    parameters: dict[str, float]


class Study:
    """The trials of a search, in their order, and its terms.

    Parameters
    ----------
    terms
        Flights, months, seed and all else that must be the same for trials to be comparable.
    path
        Where it is kept; nowhere if not given.
    """

    def __init__(self, terms: dict[str, Any], path: Path | None) -> None:
        self.terms = terms
        self.trials: list[Trial] = []
        self._path = path

    @classmethod
    def open(cls, path: Path | None, terms: dict[str, Any]) -> Self:
        """Go on with the study that a file holds, or begin one.

        Raises
        ------
        StudyError
            If the file is no study, or one on other terms.
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
                f"{path} holds a study on other terms ({', '.join(other)}). "
                "Name another file, or remove it to begin anew"
            )
            raise StudyError(message)
        return study

    @property
    def best(self) -> Trial:
        """The trial with the lowest log loss; of equal ones the first."""
        return min(self.trials, key=lambda trial: trial.log_loss)

    def add(self, trial: Trial) -> None:
        """Take a trial in, and keep it: the file is replaced whole or not at all."""
        self.trials.append(trial)
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        saved = {**self.terms, "trials": [asdict(each) for each in self.trials]}
        fresh = self._path.with_name(f".{self._path.name}")
        fresh.write_text(json.dumps(saved, indent=1) + "\n")
        fresh.replace(self._path)
