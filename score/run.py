"""Run a scoring job: find finished pieces, score the others, merge them."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from posixpath import dirname
from typing import Never

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem
from tqdm import tqdm

from score.engines import Engine
from score.errors import InputError, OutputError
from score.inputs import Input, find_input, same_file
from score.merge import Totals, merge, rejects_of, split_name
from score.pieces import PIECE_ROWS, Piece, public_name
from score.store import SUFFIX, JsonObject, Store

FORMAT = 2
"""Version of the pieces' format; increased when a change could misread older pieces."""
QUIET_SECONDS = 30.0
"""Seconds between lines of progress if standard error is not a terminal."""

logger = logging.getLogger("score")


@dataclass(frozen=True, slots=True)
class Shard:
    """Part of an input that one of `count` tasks scores: every `count`-th piece."""

    index: int = 0
    count: int = 1

    @classmethod
    def of(cls, index: int, count: int) -> Shard:
        """Return a shard after checking its index.

        Raises
        ------
        InputError
            If `index` is not less than `count`.
        """
        if index >= count:
            message = f"there is no task {index} of {count}: indexes start at 0."
            raise InputError(message)
        return cls(index, count)

    def output(self, path: str) -> str:
        """Return the task's output: its index and the count are added before the ending."""
        if self.count == 1:
            return path
        stem, ending = split_name(path)
        return f"{stem}-{self.index:05}-of-{self.count:05}{ending}"


@dataclass(frozen=True, slots=True)
class ScoringJob:
    """Input, output, model and shard of a run.

    Attributes
    ----------
    model
        Full tag of the model.
    """

    source: str
    output: str
    model: str
    shard: Shard = Shard()


def run(job: ScoringJob, make_engine: AbstractContextManager[Engine]) -> Totals:
    """Score an input, or the rest of it after an interrupted run.

    Returns
    -------
    Totals
        Counts of the whole output, including pieces of earlier runs.

    Raises
    ------
    score.errors.ScoreError
        If the input cannot be read, the output cannot be written, or the engine fails.
    """
    split_name(job.output)
    source = find_input(job.source)
    output = job.shard.output(job.output)
    _check_output(job.source, output)
    store = Store(output)
    with store.lock(), store.cleared_on_failure():
        done = store.begin(_manifest(job, source))
        if done:
            logger.info("resuming after %s pieces of an earlier run", len(done))
        names = _score(job, source, store, done, make_engine)
        totals = merge(store, names, job.model)
        store.clear()
    return totals


def _check_output(source: str, output: str) -> None:
    """Check, before anything is written, that the output is no folder and spares the input.

    Raises
    ------
    OutputError
        If the output or its rejects are a folder or the input, or the input is among the pieces.
    """
    rejects = rejects_of(output)
    for path, read in ((output, source), (rejects, source), (output + SUFFIX, dirname(source))):
        if same_file(path, read):
            message = f"{public_name(path)}: would overwrite the input: choose another output."
            raise OutputError(message)
    for path in (output, rejects):
        system, inner = url_to_fs(path)
        if isinstance(system, LocalFileSystem) and system.isdir(inner):
            message = f"{path}: is a folder: name a file in it."
            raise OutputError(message)


def _score(
    job: ScoringJob,
    source: Input,
    store: Store,
    done: set[str],
    make_engine: AbstractContextManager[Engine],
) -> list[str]:
    """Score the missing pieces; return the names of all pieces of the shard, in order."""
    names: list[str] = []
    with _bar(source, job.shard) as bar:
        todo = _todo(source, job.shard, done, names, bar)
        with make_engine as engine:
            for piece, content in engine.run(todo):
                store.write(piece.name, content)
                bar.update(piece.rows)
    return names


def _todo(
    source: Input, shard: Shard, done: set[str], names: list[str], bar: tqdm[Never]
) -> Iterator[Piece]:
    """Yield the shard's pieces that are not finished; append the name of each piece to `names`."""
    rows = 0
    for piece in source.pieces():
        rows += piece.rows
        if source.rows is None and piece.progress:
            bar.total = round(rows / piece.progress / shard.count)
        if piece.number % shard.count != shard.index:
            continue
        names.append(piece.name)
        if piece.name in done:
            bar.initial += piece.rows
            bar.update(piece.rows)
        else:
            yield piece


def _bar(source: Input, shard: Shard) -> tqdm[Never]:
    bar: tqdm[Never] = tqdm(
        total=None if source.rows is None else round(source.rows / shard.count),
        desc="scoring",
        unit=" flights",
        unit_scale=True,
        mininterval=0.1 if sys.stderr.isatty() else QUIET_SECONDS,
    )
    return bar


def _manifest(job: ScoringJob, source: Input) -> JsonObject:
    return {
        "format": FORMAT,
        "input": asdict(source),
        "model": job.model,
        "piece_rows": PIECE_ROWS,
        "shard": asdict(job.shard),
    }
