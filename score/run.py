"""One run: find what is done, score the rest, put it together."""

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
"""Of the pieces; raised when a change would misread those of an older run."""
QUIET_SECONDS = 30.0
"""Between lines of progress where nobody watches."""

logger = logging.getLogger("score")


@dataclass(frozen=True, slots=True)
class Shard:
    """The part of an input that one of several tasks scores: every `count`-th piece."""

    index: int = 0
    count: int = 1

    @classmethod
    def of(cls, index: int, count: int) -> Shard:
        """Check that there is such a task.

        Raises
        ------
        InputError
            If there is not.
        """
        if index >= count:
            message = f"there is no task {index} among {count}: the first one is 0."
            raise InputError(message)
        return cls(index, count)

    def output(self, path: str) -> str:
        """The task's own output: its place and their number before the name's ending."""
        if self.count == 1:
            return path
        stem, ending = split_name(path)
        return f"{stem}-{self.index:05}-of-{self.count:05}{ending}"


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be scored, by what, and where to.

    Attributes
    ----------
    model
        Full tag of the model.
    """

    source: str
    output: str
    model: str
    shard: Shard = Shard()


def run(order: Order, make_engine: AbstractContextManager[Engine]) -> Totals:
    """Score an input, or what is left of it.

    Returns
    -------
    Totals
        Of the whole output, whichever run scored which piece.

    Raises
    ------
    score.errors.ScoreError
        Where the input, the output or the engine is at fault.
    """
    split_name(order.output)
    source = find_input(order.source)
    output = order.shard.output(order.output)
    _check_output(order.source, output)
    store = Store(output)
    with store.lock(), store.cleared_on_failure():
        done = store.begin(_manifest(order, source))
        if done:
            logger.info("going on after %s pieces of an earlier run", len(done))
        names = _score(order, source, store, done, make_engine)
        totals = merge(store, names, order.model)
        store.clear()
    return totals


def _check_output(source: str, output: str) -> None:
    """Refuse, before anything is written, an output that is a folder or would destroy the input.

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
    order: Order,
    source: Input,
    store: Store,
    done: set[str],
    make_engine: AbstractContextManager[Engine],
) -> list[str]:
    """Score what is left; return the names of all pieces of the shard, in order."""
    names: list[str] = []
    with _bar(source, order.shard) as bar:
        todo = _todo(source, order.shard, done, names, bar)
        with make_engine as engine:
            for piece, content in engine.run(todo):
                store.write(piece.name, content)
                bar.update(piece.rows)
    return names


def _todo(
    source: Input, shard: Shard, done: set[str], names: list[str], bar: tqdm[Never]
) -> Iterator[Piece]:
    """The shard's pieces that nobody has scored; every one of the shard is noted in `names`."""
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


def _manifest(order: Order, source: Input) -> JsonObject:
    return {
        "format": FORMAT,
        "input": asdict(source),
        "model": order.model,
        "piece_rows": PIECE_ROWS,
        "shard": asdict(order.shard),
    }
