"""Steps of evidence: upper bounds, learning curves, quantiles of the delay, and a leak."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from model.experiments.evidence import ceiling, learning_curve
from model.experiments.evidence.leak import judge_leak
from model.experiments.evidence.minutes import judge_minutes
from model.experiments.run.results import Record
from model.experiments.run.work_list import FoldCache


@dataclass(frozen=True)
class Step:
    """Piece of evidence, kept under its id and version."""

    id: str
    compute: Callable[[FoldCache], Record]
    groups: tuple[str, ...] = ()
    version: int = 1

    @property
    def name(self) -> str:
        """Return the name in progress lines."""
        return self.id

    @property
    def definition(self) -> str:
        """Return the text that identifies the result for given flights."""
        return f"step {self.id} {self.version}"

    def result(self, cache: FoldCache) -> Record:
        """Compute it."""
        return self.compute(cache)


def _oracle(group: str, *names: str) -> Step:
    return Step(
        f"oracle {group}: {' + '.join(names)}",
        lambda cache: ceiling.oracle(cache.folds(group), cache.frame, names),
        (group,),
    )


_DAY = ("day", "airline and day", "hours and day")

STEPS: tuple[Step, ...] = (
    Step("repeated-flights", lambda cache: ceiling.repeated_flights(cache.frame)),
    Step("leak", lambda cache: judge_leak(cache.frame)),
    Step("curve-months", lambda cache: learning_curve.by_months(cache.frame)),
    _oracle("E3.schedule", "month"),
    _oracle("E3.schedule", "flight and month"),
    _oracle("E3.schedule", "day"),
    _oracle("E3.schedule", *_DAY),
    _oracle("E3.fresh", "day"),
    _oracle("E3.fresh", *_DAY),
    Step("oracle E1", lambda cache: ceiling.two_sided_oracle(cache.frame, "E1")),
    Step("oracle E2", lambda cache: ceiling.two_sided_oracle(cache.frame, "E2")),
    Step("curve-E1", lambda cache: learning_curve.by_share(cache.frame, "E1")),
    Step("curve-E2", lambda cache: learning_curve.by_share(cache.frame, "E2")),
    Step(
        "minutes",
        lambda cache: judge_minutes(cache.folds("E3.schedule"), cache.frame),
        ("E3.schedule",),
    ),
)
