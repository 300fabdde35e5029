"""What is measured beside the attempts: ceilings, learning curves, minutes, and a warning."""

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
    """A piece of evidence, kept under its id and version."""

    id: str
    judge: Callable[[FoldCache], Record]
    groups: tuple[str, ...] = ()
    version: int = 1

    @property
    def name(self) -> str:
        """What a progress line calls it."""
        return self.id

    @property
    def definition(self) -> str:
        """Text that decides its result, beside the flights."""
        return f"step {self.id} {self.version}"

    def result(self, shelf: FoldCache) -> Record:
        """Measure it."""
        return self.judge(shelf)


def _oracle(group: str, *names: str) -> Step:
    return Step(
        f"oracle {group}: {' + '.join(names)}",
        lambda shelf: ceiling.oracle(shelf.exams(group), shelf.frame, names),
        (group,),
    )


_DAY = ("day", "airline and day", "hours and day")

STEPS: tuple[Step, ...] = (
    Step("repeated-flights", lambda shelf: ceiling.repeated_flights(shelf.frame)),
    Step("leak", lambda shelf: judge_leak(shelf.frame)),
    Step("curve-months", lambda shelf: learning_curve.by_months(shelf.frame)),
    _oracle("E3.schedule", "month"),
    _oracle("E3.schedule", "flight and month"),
    _oracle("E3.schedule", "day"),
    _oracle("E3.schedule", *_DAY),
    _oracle("E3.fresh", "day"),
    _oracle("E3.fresh", *_DAY),
    Step("oracle E1", lambda shelf: ceiling.told_of_all_others(shelf.frame, "E1")),
    Step("oracle E2", lambda shelf: ceiling.told_of_all_others(shelf.frame, "E2")),
    Step("curve-E1", lambda shelf: learning_curve.by_share(shelf.frame, "E1")),
    Step("curve-E2", lambda shelf: learning_curve.by_share(shelf.frame, "E2")),
    Step(
        "minutes",
        lambda shelf: judge_minutes(shelf.exams("E3.schedule"), shelf.frame),
        ("E3.schedule",),
    ),
)
