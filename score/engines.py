"""Who scores the pieces: threads of this process, or the workers of a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Protocol

from model.inference.predictor import Predictor
from score.pieces import Piece
from score.scoring import score_rows

AHEAD = 2
"""Pieces in work or waiting, per worker: the next one is at hand, and memory stays flat."""


class Engine(Protocol):
    """Scores pieces, in any order."""

    def run(self, pieces: Iterable[Piece]) -> Iterator[tuple[Piece, bytes]]:
        """Yield each piece with its scores, see `Scored.to_bytes`, as they are done."""
        ...


class Threads:
    """Threads of this process: LightGBM, Arrow and most of numpy work side by side in them.

    Parameters
    ----------
    predictor
        With one thread of its own: pieces are its parallelism.
    threads
        How many.
    """

    def __init__(self, predictor: Predictor, threads: int) -> None:
        self._predictor = predictor
        self._threads = threads

    def run(self, pieces: Iterable[Piece]) -> Iterator[tuple[Piece, bytes]]:
        """Score as many pieces at a time as there are threads."""
        working: dict[Future[bytes], Piece] = {}
        with ThreadPoolExecutor(self._threads) as pool:
            try:
                for piece in pieces:
                    working[pool.submit(score_piece, piece, self._predictor)] = piece
                    if len(working) >= AHEAD * self._threads:
                        yield from _finished(working)
                while working:
                    yield from _finished(working)
            finally:
                pool.shutdown(wait=True, cancel_futures=True)


def score_piece(piece: Piece, predictor: Predictor) -> bytes:
    """Read a piece and score it."""
    return score_rows(piece.source.read(), predictor).to_bytes()


def _finished(working: dict[Future[bytes], Piece]) -> Iterator[tuple[Piece, bytes]]:
    done, _ = wait(working, return_when=FIRST_COMPLETED)
    for future in done:
        yield working.pop(future), future.result()
