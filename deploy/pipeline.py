"""Run the steps of cloudbuild.yaml on this machine, in the order of Cloud Build."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy import substitutions, validation
from load.tools.server_process import PROJECT

STEP_SECONDS = 3600


@dataclass(frozen=True)
class Step:
    """Step of a build with its substitutions replaced."""

    id: str
    command: tuple[str, ...]
    environment: Mapping[str, str]


@dataclass
class Outcome:
    """Result of a run.

    Attributes
    ----------
    ran
        Steps that succeeded, in order.
    failed
        The step that failed; empty if all succeeded.
    output
        Output of each step, by its id.
    """

    ran: list[str] = field(default_factory=list)
    failed: str = ""
    output: dict[str, str] = field(default_factory=dict)


class InvalidBuildError(Exception):
    """Error for an invalid build file; the message lists every fault."""


def plan(path: Path, values: Mapping[str, str]) -> list[Step]:
    """Read a build and replace its substitutions.

    The order of the steps respects `waitFor`, which the validation ensures; here they run one
    after the other.

    Raises
    ------
    InvalidBuildError
        If Cloud Build would reject it.
    """
    build: dict[str, Any] = validation.load(path.read_text())
    if faults := list(validation.build_faults(build)):
        raise InvalidBuildError("\n".join(faults))
    found = substitutions.resolve(build.get("substitutions", {}), values)
    common = substitutions.expand(build["options"]["env"], found)
    return [_step(substitutions.expand(step, found), common) for step in build["steps"]]


def run(
    steps: list[Step],
    environment: Mapping[str, str],
    tell: Callable[[str], None] = lambda _line: None,
) -> Outcome:
    """Run steps until one fails, as Cloud Build does.

    Parameters
    ----------
    environment
        Environment variables of all steps, including `PATH`.
    tell
        Function that prints a line.
    """
    outcome = Outcome()
    for step in steps:
        tell(f"--- {step.id}: {' '.join(step.command)}")
        started = time.monotonic()
        done = subprocess.run(  # noqa: S603 - the steps are the project's own
            step.command,
            cwd=PROJECT,
            env={**environment, **step.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=STEP_SECONDS,
        )
        outcome.output[step.id] = done.stdout
        for line in done.stdout.splitlines():
            tell(f"    {line}")
        tell(f"    exit {done.returncode} after {time.monotonic() - started:.1f} s")
        if done.returncode:
            outcome.failed = step.id
            break
        outcome.ran.append(step.id)
    return outcome


def _step(step: dict[str, Any], common: list[str]) -> Step:
    pairs = [*common, *step.get("env", [])]
    environment = dict(pair.split("=", 1) for pair in pairs)
    return Step(step["id"], (step["entrypoint"], *step.get("args", [])), environment)
