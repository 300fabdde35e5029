"""Run `train.py experiments`: the declared attempts without a result, then write the page."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from model.errors import UnknownAttempt
from model.experiments.attempts.attempt import Attempt
from model.experiments.attempts.catalogue import ATTEMPTS
from model.experiments.evidence.steps import STEPS
from model.experiments.page.report import write_page
from model.experiments.run.results import ResultStore
from model.experiments.run.summary import summarise, write_results
from model.experiments.run.work_list import FoldCache, Piece, missing, runs, work

STORE_FILE = "ledger.jsonl"

logger = logging.getLogger(__name__)


def run_experiments(  # noqa: PLR0913 - each is an option of the command line
    frame: pd.DataFrame,
    *,
    folder: Path,
    docs: Path,
    only: Collection[str] = (),
    seeds: int | None = None,
    jobs: int = 1,
    render: bool = False,
) -> Path:
    """Run the declared attempts, and write their page.

    Parameters
    ----------
    frame
        The typed frame of flights.
    folder
        Folder of the result store.
    docs
        Folder of ``results.json``, ``README.md`` and its pictures.
    only
        Ids of attempts and steps of evidence to run; the page shows all stored results.
    seeds
        Number of seeds of every random method, instead of those declared.
    jobs
        Processes.
    render
        Write the page from the stored results, and run nothing.

    Raises
    ------
    UnknownAttempt
        If an id does not exist.
    """
    cache, store = FoldCache(frame), ResultStore(folder / STORE_FILE)
    todo = [] if render else missing(planned(only, seeds), cache, store)
    logger.info("%s results are kept in %s, %s are missing", len(store), folder, len(todo))
    with tqdm(total=len(todo), unit="run") as bar:
        for piece, _ in work(todo, cache, store, jobs):
            bar.set_postfix_str(piece.name)
            bar.update()
    docs.mkdir(parents=True, exist_ok=True)
    write_results(docs, summarise(cache, store))
    return write_page(docs)


def planned(only: Collection[str] = (), seeds: int | None = None) -> list[Piece]:
    """List all pieces to run: the first seed of all, then the evidence, then more seeds.

    Raises
    ------
    UnknownAttempt
        If an id does not exist.
    """
    attempts = runs(chosen(only), seeds)
    steps = [step for step in STEPS if not only or step.id in only]
    first = [run for run in attempts if run.seed == 0]
    return [*first, *steps, *attempts[len(first) :]]


def chosen(only: Collection[str]) -> Sequence[Attempt]:
    """Return the attempts of these ids, or all of them.

    Raises
    ------
    UnknownAttempt
        If an id does not exist.
    """
    known = {attempt.id for attempt in ATTEMPTS} | {step.id for step in STEPS}
    unknown = sorted(set(only) - known)
    if unknown:
        message = f"no such attempt: {', '.join(unknown)}. There are: {', '.join(sorted(known))}"
        raise UnknownAttempt(message)
    return [attempt for attempt in ATTEMPTS if not only or attempt.id in only]
