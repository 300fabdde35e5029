"""List the pieces of work, run those without a result, and keep their results."""

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
from model.experiments.methods.table import method_id
from model.experiments.run.attempt import run
from model.experiments.run.folds import FoldData, make_folds
from model.experiments.run.results import Record, ResultStore, fingerprint
from model.training.fit import LEAD_MINUTES, PARAMETERS, ROUNDS
from model.training.labels import SOFTNESS_MINUTES

logger = logging.getLogger(__name__)

VERSION = 1
"""Increased when the features or the protocol change, so that everything is run again."""


class FoldCache:
    """Cache of the folds of each group of protocols, built on first use."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame
        self._folds: dict[str, list[FoldData]] = {}

    @cached_property
    def version(self) -> str:
        """Return the fingerprint of the flights and of the settings that all attempts share."""
        common = sorted(PARAMETERS.items()), ROUNDS, LEAD_MINUTES, SOFTNESS_MINUTES, VERSION
        return fingerprint(data_hash(self.frame), common)

    def folds(self, group: str) -> list[FoldData]:
        """Return the folds of a group; empty if there are too few flights."""
        if group not in self._folds:
            self._folds[group] = list(make_folds(self.frame, group))
        return self._folds[group]


class Piece(Protocol):
    """Piece of work whose result is kept separately."""

    @property
    def name(self) -> str:
        """Return the name in progress lines."""
        ...

    @property
    def definition(self) -> str:
        """Return the text that identifies the result for given flights."""
        ...

    @property
    def groups(self) -> tuple[str, ...]:
        """Return the groups of protocols whose folds it reads."""
        ...

    def result(self, cache: FoldCache) -> Record:
        """Run it and return its result."""
        ...


@dataclass(frozen=True)
class Run:
    """Run of one attempt on one group of protocols with one seed."""

    attempt: Attempt
    group: str
    seed: int

    @property
    def name(self) -> str:
        """Return the name in progress lines."""
        return f"{self.attempt.id} {self.group} seed {self.seed}"

    @property
    def definition(self) -> str:
        """Return the text that identifies the result for given flights."""
        return f"{method_id(self.attempt.method)} {self.group} {self.seed}"

    @property
    def groups(self) -> tuple[str, ...]:
        """Return the groups of protocols whose folds it reads."""
        return (self.group,)

    def result(self, cache: FoldCache) -> Record:
        """Fit and score on every fold."""
        found = run(
            self.attempt.method, self.group, cache.folds(self.group), cache.frame, self.seed
        )
        return {"attempt": self.attempt.id, "group": self.group, "seed": self.seed, **found}


def runs(attempts: Iterable[Attempt], seeds: int | None = None) -> list[Run]:
    """List all runs of these attempts, the first seed of each before the second of any.

    A run that is stopped early then has a complete table with fewer seeds.

    Parameters
    ----------
    seeds
        Number of seeds of every random method, instead of those declared.
    """
    found = [
        Run(attempt, group, seed)
        for attempt in attempts
        for group, declared in attempt.seeds.items()
        for seed in range(declared if seeds is None or attempt.once else seeds)
    ]
    return sorted(found, key=lambda each: (each.seed, _ORDER.index(each.group)))


_ORDER = ("E3.schedule", "E1", "E3.fresh", "E2")
"""Groups in the order in which they are run: the deciding one first, the slowest last."""


def key_of(piece: Piece, cache: FoldCache) -> str:
    """Return the key under which a result is kept."""
    return fingerprint(cache.version, piece.definition)


def missing(pieces: Sequence[Piece], cache: FoldCache, store: ResultStore) -> list[Piece]:
    """Return the pieces without a result, in their order."""
    return [piece for piece in pieces if store.get(key_of(piece, cache)) is None]


def work(
    pieces: Sequence[Piece], cache: FoldCache, store: ResultStore, jobs: int = 1
) -> Iterator[tuple[Piece, Record]]:
    """Run the pieces without a result, keep each result at once, and yield it.

    The others are run even if one fails.

    Parameters
    ----------
    jobs
        Processes. They are forked once the folds of a group are built, and share them.

    Raises
    ------
    Exception
        At the end, the exception of the first piece that failed.
    """
    run_pieces = partial(_in_parallel, jobs=jobs) if jobs > 1 else _in_sequence
    failures: list[Exception] = []
    for groups, block in groupby(missing(pieces, cache, store), key=lambda piece: piece.groups):
        for group in groups:
            cache.folds(group)
        for piece, found in run_pieces(list(block), cache):
            if isinstance(found, Exception):
                logger.error("%s failed: %s", piece.name, found)
                failures.append(found)
                continue
            store.add(key_of(piece, cache), found)
            yield piece, found
    if failures:
        raise failures[0]


Outcome = Record | Exception


def _in_sequence(todo: Sequence[Piece], cache: FoldCache) -> Iterator[tuple[Piece, Outcome]]:
    for piece in todo:
        yield piece, _result_or_error(piece, cache)


def _result_or_error(piece: Piece, cache: FoldCache) -> Outcome:
    try:
        return piece.result(cache)
    except Exception as error:  # noqa: BLE001 - raised again after the other pieces
        return error


_PR_SET_PDEATHSIG = 1
"""From `linux/prctl.h`."""

_inherited: list[tuple[Sequence[Piece], FoldCache]] = []
"""State that forked processes inherit: the folds are too large to be pickled for each."""


def _in_parallel(
    todo: Sequence[Piece], cache: FoldCache, jobs: int
) -> Iterator[tuple[Piece, Outcome]]:
    _inherited.append((todo, cache))
    try:
        context = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(jobs, context, _end_with_parent) as pool:
            waiting = {pool.submit(_in_process, at): piece for at, piece in enumerate(todo)}
            for done in as_completed(waiting):
                yield waiting[done], done.result()
    finally:
        _inherited.clear()


def _end_with_parent() -> None:
    """Make the kernel end this process when its parent ends, for whatever reason."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _in_process(position: int) -> Outcome:
    todo, cache = _inherited[-1]
    return _result_or_error(todo[position], cache)
