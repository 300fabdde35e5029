"""Score pieces with threads of this process, and the interface of engines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Protocol

from model.inference.predictor import Predictor
from score.pieces import Piece
from score.scoring import score_rows

AHEAD = 2
"""Pieces per worker that are being scored or queued; bounds the memory."""


class Engine(Protocol):
    """Interface of an engine that scores pieces in any order."""

    def run(self, pieces: Iterable[Piece]) -> Iterator[tuple[Piece, bytes]]:
        """Yield each piece with its scores (`Scored.to_bytes`) as it is finished."""
        ...


class ThreadEngine:
    """Engine with threads of this process; LightGBM, Arrow and most of numpy release the GIL.

    Parameters
    ----------
    predictor
        Predictor with one LightGBM thread, because pieces are scored in parallel.
    threads
        Number of threads.
    """

    def __init__(self, predictor: Predictor, threads: int) -> None:
        self._predictor = predictor
        self._threads = threads

    def run(self, pieces: Iterable[Piece]) -> Iterator[tuple[Piece, bytes]]:
        """Score one piece per thread at a time."""
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
