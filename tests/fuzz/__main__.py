"""Fuzz the request path against the oracle: `python -m tests.fuzz --inputs 1000000`.

Prints the bodies on which they disagree, and exits with 1 if there are any. `--keep` adds bodies
with a new kind of answer to `tests/fuzz/corpus/found.jsonl`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Annotated

import typer

from data.load import load_flights
from model.inference.bundle import Bundle
from model.reports.card import make_card
from model.training.fit import TrainingConfig, fit
from serving.models import store
from tests.fuzz.differential import (
    CORPUS,
    TOGETHER,
    Differential,
    Outcome,
    read_corpus,
    read_lines,
    write_lines,
)
from tests.fuzz.generator import Generator

SHARE = 10_000
"""Inputs per task of a process; each task has its own seed."""
SHOWN = 10
FOUND = CORPUS / "found.jsonl"

_differential: Differential | None = None


def main(
    inputs: Annotated[int, typer.Option(help="Number of bodies.")] = 1_000_000,
    seed: Annotated[int, typer.Option(help="Seed of the first task; increases by 1 per task.")] = 1,
    processes: Annotated[int, typer.Option(help="Number of processes.")] = 1,
    model: Annotated[str, typer.Option(help="Registered model; default: fit a small one.")] = "",
    seconds: Annotated[float, typer.Option(help="Time limit.")] = 3600,
    keep: Annotated[bool, typer.Option(help="Keep a body of each new kind of answer.")] = False,
) -> None:
    """Compare the service's answers with the oracle's."""
    started, total = time.monotonic(), Outcome()
    shares = [(seed + n, min(SHARE, inputs - n * SHARE)) for n in range(-(-inputs // SHARE))]
    with ProcessPoolExecutor(processes, initializer=_prepare, initargs=(model,)) as pool:
        for outcome in pool.map(_try_share, *zip(*shares, strict=True)):
            total.add(outcome)
            spent = time.monotonic() - started
            _report(total, spent)
            if total.disagreements or spent > seconds:
                pool.shutdown(wait=False, cancel_futures=True)
                break
    if keep:
        _keep(total)
    for disagreement in total.disagreements[:SHOWN]:
        typer.echo(str(disagreement))
    raise typer.Exit(1 if total.disagreements else 0)


def attempts(generator: Generator, inputs: int) -> Iterator[list[bytes]]:
    """Yield bodies in groups of `TOGETHER`."""
    for start in range(0, inputs, TOGETHER):
        yield [generator.body() for _ in range(min(TOGETHER, inputs - start))]


def _prepare(model: str) -> None:
    global _differential  # noqa: PLW0603 - created once per process
    logging.disable(logging.WARNING)
    _differential = Differential(store.read(model, threads=1)[1] if model else small_model())


def _try_share(seed: int, inputs: int) -> Outcome:
    assert _differential is not None
    outcome = Outcome()
    for bodies in attempts(Generator(seed, read_corpus()), inputs):
        outcome.add(_differential.run(bodies))
    return outcome


def small_model() -> Bundle:
    """Fit a small model on the embedded sample."""
    frame = load_flights("sample").frame
    recipe = TrainingConfig(rounds=40)
    predictor = fit(frame, recipe)
    card = make_card(frame, is_sample=True, predictor=predictor, config=recipe, evaluation={})
    return Bundle(predictor, card, {})


def _keep(total: Outcome) -> None:
    """Add a body of every kind of answer that the corpus lacks."""
    _prepare("")
    assert _differential is not None
    known = _differential.run(read_corpus()).kinds
    fresh = [body for name, body in total.kinds.items() if name not in known]
    write_lines(FOUND, [*read_lines(FOUND), *fresh])


def _report(total: Outcome, spent: float) -> None:
    statuses = ", ".join(f"{status}: {count:,}" for status, count in sorted(total.statuses.items()))
    typer.echo(
        f"{total.inputs:,} inputs ({statuses}), {total.flights:,} flights scored, "
        f"{len(total.disagreements)} disagreements, {spent:.0f} s"
    )


if __name__ == "__main__":
    typer.run(main)
