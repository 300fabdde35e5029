"""The work list of the ledger: what is to be run, in which order, and what is there already."""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import groupby
from typing import Protocol

import pandas as pd

from data.frame import data_hash
from model.experiments.attempts.attempt import Attempt
from model.experiments.run.attempt import run
from model.experiments.run.folds import FoldData, exams
from model.experiments.run.results import Record, ResultStore, fingerprint
from model.training.fit import LEAD_MINUTES, PARAMETERS, ROUNDS
from model.training.labels import SOFTNESS_MINUTES

logger = logging.getLogger(__name__)

VERSION = 1
"""Raised when the features or the protocol change, so that everything is run anew."""


class FoldCache:
    """The flights and the folds of each group of protocols, made when first asked for."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame
        self._exams: dict[str, list[FoldData]] = {}

    @cached_property
    def version(self) -> str:
        """Fingerprint of the flights and of all that is common to the attempts."""
        common = sorted(PARAMETERS.items()), ROUNDS, LEAD_MINUTES, SOFTNESS_MINUTES, VERSION
        return fingerprint(data_hash(self.frame), common)

    def exams(self, group: str) -> list[FoldData]:
        """Return the folds of a group; none where the flights are too few for it."""
        if group not in self._exams:
            self._exams[group] = list(exams(self.frame, group))
        return self._exams[group]


class Piece(Protocol):
    """A piece of work whose result is kept on its own."""

    @property
    def name(self) -> str:
        """What a progress line calls it."""
        ...

    @property
    def definition(self) -> str:
        """Text that decides its result, beside the flights."""
        ...

    @property
    def groups(self) -> tuple[str, ...]:
        """Groups of protocols whose folds it reads."""
        ...

    def result(self, shelf: FoldCache) -> Record:
        """Do the work."""
        ...


@dataclass(frozen=True)
class Run:
    """One attempt on one group of protocols with one seed."""

    attempt: Attempt
    group: str
    seed: int

    @property
    def name(self) -> str:
        """What a progress line calls it."""
        return f"{self.attempt.id} {self.group} seed {self.seed}"

    @property
    def definition(self) -> str:
        """Text that decides its result, beside the flights."""
        return f"{self.attempt.method!r} {self.group} {self.seed}"

    @property
    def groups(self) -> tuple[str, ...]:
        """Groups of protocols whose folds it reads."""
        return (self.group,)

    def result(self, shelf: FoldCache) -> Record:
        """Fit and score."""
        found = run(
            self.attempt.method, self.group, shelf.exams(self.group), shelf.frame, self.seed
        )
        return {"attempt": self.attempt.id, "group": self.group, "seed": self.seed, **found}


def runs(attempts: Iterable[Attempt], seeds: int | None = None) -> list[Run]:
    """All runs of these attempts, the first seed of each before the second of any.

    So a run that is stopped early has a whole table, with fewer seeds.

    Parameters
    ----------
    seeds
        This many for every row that has chance in it, instead of those declared.
    """
    found = [
        Run(attempt, group, seed)
        for attempt in attempts
        for group, declared in attempt.seeds.items()
        for seed in range(declared if seeds is None or attempt.once else seeds)
    ]
    return sorted(found, key=lambda each: (each.seed, _ORDER.index(each.group)))


_ORDER = ("E3.schedule", "E1", "E3.fresh", "E2")
"""Groups in the order in which they are run: what decides first, what is dear last."""


def key_of(piece: Piece, shelf: FoldCache) -> str:
    """Key under which a result is kept."""
    return fingerprint(shelf.version, piece.definition)


def missing(pieces: Sequence[Piece], shelf: FoldCache, ledger: ResultStore) -> list[Piece]:
    """Those that have no result yet, in their order."""
    return [piece for piece in pieces if ledger.get(key_of(piece, shelf)) is None]


def work(
    pieces: Sequence[Piece], shelf: FoldCache, ledger: ResultStore, jobs: int = 1
) -> Iterator[tuple[Piece, Record]]:
    """Do what is missing, keep each result at once, and yield it.

    A piece that fails does not keep the others from being done.

    Parameters
    ----------
    jobs
        Processes. They are forked once the folds of a group are made, which they share.

    Raises
    ------
    Exception
        At the end, what the first piece that failed had raised.
    """
    do = partial(_together, jobs=jobs) if jobs > 1 else _alone
    failures: list[Exception] = []
    for groups, block in groupby(missing(pieces, shelf, ledger), key=lambda piece: piece.groups):
        for group in groups:
            shelf.exams(group)
        for piece, found in do(list(block), shelf):
            if isinstance(found, Exception):
                logger.error("%s failed: %s", piece.name, found)
                failures.append(found)
                continue
            ledger.add(key_of(piece, shelf), found)
            yield piece, found
    if failures:
        raise failures[0]


Found = Record | Exception


def _alone(todo: Sequence[Piece], shelf: FoldCache) -> Iterator[tuple[Piece, Found]]:
    for piece in todo:
        yield piece, _attempted(piece, shelf)


def _attempted(piece: Piece, shelf: FoldCache) -> Found:
    try:
        return piece.result(shelf)
    except Exception as error:  # noqa: BLE001 - raised again once the others are done
        return error


_PR_SET_PDEATHSIG = 1
"""From `linux/prctl.h`."""

_inherited: list[tuple[Sequence[Piece], FoldCache]] = []
"""What forked processes find in their memory: the folds are too large to be sent to each."""


def _together(todo: Sequence[Piece], shelf: FoldCache, jobs: int) -> Iterator[tuple[Piece, Found]]:
    _inherited.append((todo, shelf))
    try:
        context = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(jobs, context, _end_with_parent) as pool:
            waiting = {pool.submit(_in_process, at): piece for at, piece in enumerate(todo)}
            for done in as_completed(waiting):
                yield waiting[done], done.result()
    finally:
        _inherited.clear()


def _end_with_parent() -> None:
    """Ask the kernel to end this process with the one that forked it, however that ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _in_process(position: int) -> Found:
    todo, shelf = _inherited[-1]
    return _attempted(todo[position], shelf)
