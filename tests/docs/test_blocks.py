"""Tests that run every code block of the documents, or check its commands and options."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pytest
from pydantic import BaseModel

from serving.contract.schema import PredictionRequest, PredictionResponse, Problem
from serving.settings import Settings
from tests.docs.markdown import Block, Command, blocks, commands, targets
from tests.support.server import PROJECT, running_server

BLOCKS = blocks()
COMMANDS = [command for block in BLOCKS if block.info == "sh" for command in commands(block)]
ASKED = [command for command in COMMANDS if command.words[0] == "curl"]
CHECKED = [command for command in COMMANDS if command.words[0] != "curl"]
HERE = "localhost:3000"
TOKEN = "a token for the tests"  # noqa: S105 - not a secret
STATUS_TOO = "curl --write-out '\\n%{http_code}'"
WITHOUT_HELP = {"serving.api.auth", "tests.page.pictures"}
"""Modules without options."""
MODELS: dict[str, type[BaseModel]] = {
    "predictions": PredictionResponse,
    "flights": PredictionRequest,
    "detail": Problem,
}


@dataclass(frozen=True)
class Live:
    """Running service, and the version of its model."""

    address: str
    version: str


@pytest.fixture(scope="module")
def live(registered: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """Run `bentoml serve` with an administrator's token."""
    log = tmp_path_factory.mktemp("docs") / "log"
    with running_server(log, FLIGHT_DELAY_ADMIN_TOKEN=TOKEN) as server:
        yield Live(server.url.removeprefix("http://"), registered.partition(":")[2])


def test_blocks_have_a_kind() -> None:
    """Every block that is not run has a reason; `text` is for diagrams."""
    assert {block.info for block in BLOCKS} == {"sh", "sh no-run", "python", "json", "text"}
    for block in BLOCKS:
        assert block.reason == (block.info == "sh no-run"), f"{block}: <!-- not run: why -->"


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.info == "json"], ids=str)
def test_json_follows_the_contract(block: Block) -> None:
    """The block parses, and requests, answers and problems are valid."""
    document = json.loads(block.text)
    for key, model in MODELS.items():
        if key in document:
            model.model_validate_json(block.text)


@pytest.mark.server
@pytest.mark.parametrize("command", ASKED, ids=str)
def test_a_request_is_answered_as_shown(live: Live, command: Command) -> None:
    """The answer has the shape of the next block, or status 200 if none is shown."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    script = command.raw.replace(HERE, live.address).replace("curl", STATUS_TOO, 1)
    run = subprocess.run(
        ["bash", "-c", script],  # noqa: S607 - bash of the path
        cwd=PROJECT,
        env={**os.environ, "TOKEN": TOKEN, "KEY": "not needed", "VERSION": live.version},
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    body, _, status = run.stdout.rpartition("\n")
    shown = _shown_after(command)
    if shown is None:
        assert status == "200", body
    else:
        assert int(status) == shown.get("status", 200), body
        assert _shape(json.loads(body)) == _shape(shown)


@pytest.mark.server
@pytest.mark.parametrize(
    "block",
    [b for b in BLOCKS if b.info == "python" and not b.document.startswith("client/")],
    ids=str,
)
def test_python_runs(live: Live, block: Block) -> None:
    """A block runs without changes; tests/client/test_examples.py runs those of the client."""
    exec(block.text.replace(HERE, live.address), {})  # noqa: S102 - our own text


@pytest.mark.parametrize("command", CHECKED, ids=str)
def test_a_command_is_valid(command: Command) -> None:
    """Its target, file, module, setting and options exist; it is too slow to be run."""
    program = command.words[0].removeprefix(".venv/bin/")
    check = CHECKS.get(program)
    assert check, f"{command}: run it here, or say `sh no-run` and why"
    check(command.words[1:])


def _make(words: tuple[str, ...]) -> None:
    for word in words:
        environment = re.fullmatch(r"\.venv/(\w+)\.stamp", word)
        if environment:
            assert (PROJECT / "requirements" / f"{environment[1]}.lock").exists(), word
        elif "=" not in word:
            assert word in targets(), word


def _python(words: tuple[str, ...]) -> None:
    if words[0] == "-m":
        if words[1] not in WITHOUT_HELP:
            _has_options(("-m", words[1]), words[2:])
        path = PROJECT / words[1].replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists()
    elif words[0] == "train.py":
        _has_options(words[:1], words[1:])
    else:
        assert (PROJECT / words[0]).exists()


def _client(words: tuple[str, ...]) -> None:
    _has_options(("-m", "scl_delay"), words)


def _bentoml(words: tuple[str, ...]) -> None:
    group, command = (words[:1], words[1]) if words[0] == "models" else ((), words[0])
    listed = _help(("-m", "bentoml", *group))
    assert re.search(rf"^\W*{command}\b", listed, re.MULTILINE), words


def _paths(words: tuple[str, ...]) -> None:
    for word in words:
        if "/" in word or word.endswith(".py"):
            assert (PROJECT / word).exists(), word


def _export(words: tuple[str, ...]) -> None:
    prefix = "FLIGHT_DELAY_"
    for word in words:
        name = word.partition("=")[0]
        if name.startswith(prefix):
            assert name.removeprefix(prefix).lower() in Settings.model_fields, name


CHECKS = {
    "make": _make,
    "python": _python,
    "scl-delay": _client,
    "bentoml": _bentoml,
    "pip": _paths,
    "pytest": _paths,
    "export": _export,
}


def _has_options(program: tuple[str, ...], words: tuple[str, ...]) -> None:
    """Assert that the help of the command or its subcommand has every option."""
    text = _help(program)
    if words and re.fullmatch(r"[a-z]+", words[0]) and words[0] in text:
        text = _help((*program, words[0]))
    for word in words:
        if re.match(r"--?[a-z]", word):
            assert re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text), word


@lru_cache
def _help(program: tuple[str, ...]) -> str:
    path = f"{PROJECT}:{PROJECT / 'client' / 'src'}"
    run = subprocess.run(
        [sys.executable, *program, "--help"],
        cwd=PROJECT,
        env={**os.environ, "COLUMNS": "160", "NO_COLOR": "1", "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    return run.stdout


def _shown_after(command: Command) -> Any:
    """Return the JSON document in the block after a command, or None."""
    position = BLOCKS.index(command.block) + 1
    after = BLOCKS[position] if position < len(BLOCKS) else None
    if after is None or after.info != "json" or after.document != command.block.document:
        return None
    return json.loads(after.text)


def _shape(value: Any) -> Any:
    """Return the keys and types of a document."""
    if isinstance(value, dict):
        return {key: _shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_shape(each) for each in value[:1]]
    return "number" if isinstance(value, float) else type(value).__name__
