"""Fake of gcloud with the commands that the scripts use; it rejects all others.

The flags of each command come from a real Cloud SDK (`flags.json`, written by `update_flags.py`).
Answers have the real ones' fields, as far as the scripts read them. It uses no network.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.fakes import run, storage
from deploy.fakes.cloud import Cloud, CommandError

KNOWN_FLAGS = json.loads(Path(__file__).with_name("flags.json").read_text())
TOKEN = "fake-identity-token"  # noqa: S105 - not a secret
RESOURCES = {
    "artifacts repositories": "repository",
    "iam service-accounts": "account",
    "pubsub topics": "topic",
    "scheduler jobs": "job",
}


@dataclass
class Call:
    """Parsed call: command, positional arguments and flags."""

    cloud: Cloud
    command: str
    arguments: list[str]
    flags: dict[str, str] = field(default_factory=dict)


def main(words: list[str]) -> None:
    """Execute one call, or exit with its error and code 1, as gcloud does."""
    cloud = Cloud.of_environment()
    cloud.record("gcloud", words)
    try:
        call = parse(cloud, words)
        show(HANDLERS[call.command](call), call.flags.get("--format", ""))
    except CommandError as error:
        sys.exit(f"ERROR: (gcloud) {error}")


def parse(cloud: Cloud, words: list[str]) -> Call:
    """Parse the words of a call.

    Raises
    ------
    CommandError
        If the command is not supported, or the real gcloud has no such flag for it.
    """
    plain = [word for word in words if not word.startswith("--")]
    known = KNOWN_FLAGS["commands"]
    lengths = [n for n in range(len(plain), 0, -1) if " ".join(plain[:n]) in known]
    if not lengths:
        message = f"Invalid choice: {' '.join(words)}"
        raise CommandError(message)
    command = " ".join(plain[: lengths[0]])
    allowed = {**KNOWN_FLAGS["everywhere"], **known[command]}
    call = Call(cloud, command, plain[lengths[0] :])
    for word in words:
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            _require_flag(allowed, name, takes_value=bool(equals))
            call.flags[name] = value
    return call


def _require_flag(allowed: dict[str, Any], name: str, *, takes_value: bool) -> None:
    kind = allowed.get(name, allowed.get(name.replace("--no-", "--", 1)))
    if kind is None:
        message = f"unrecognized arguments: {name}"
        raise CommandError(message)
    if takes_value != (kind != "bool"):
        message = f"argument {name}: {'ignored' if takes_value else 'expected'} one argument"
        raise CommandError(message)


def show(answer: Any, form: str) -> None:
    """Print an answer as ``json`` or as ``value(path)``; bytes are written unchanged."""
    if answer is None:
        return
    if isinstance(answer, bytes):
        sys.stdout.buffer.write(answer)
    elif form == "json":
        sys.stdout.write(json.dumps(answer) + "\n")
    elif form.startswith("value("):
        for row in answer if isinstance(answer, list) else [answer]:
            value: Any = row
            for key in form.removeprefix("value(").removesuffix(")").split("."):
                value = value.get(key, "") if isinstance(value, dict) else ""
            sys.stdout.write(f"{value}\n")
    else:
        text = answer if isinstance(answer, str) else json.dumps(answer, indent=1)
        sys.stdout.write(text + "\n")


def builds_describe(call: Call) -> Any:
    """Return the status of a build."""
    status = call.cloud.read()["builds"].get(call.arguments[0])
    if status is None:
        message = f"NOT_FOUND: Requested entity was not found: {call.arguments[0]}"
        raise CommandError(message)
    return {"id": call.arguments[0], "status": status}


def logging_read(call: Call) -> Any:
    """Return the errors of the revision in the filter."""
    errors = call.cloud.read()["errors"]
    words = call.arguments[0].replace("=", " ").split()
    revision = words[words.index("resource.labels.revision_name") + 1]
    return [{"httpRequest": {"status": status}} for status in errors.get(revision, [])]


def identity_token(call: Call) -> Any:
    """Return a token; it needs an audience."""
    if "--audiences" not in call.flags:
        message = "a service account's token needs --audiences"
        raise CommandError(message)
    return TOKEN


def sbom_load(call: Call) -> Any:
    """Accept an SBOM for an image that is named by its digest."""
    if "@sha256:" not in call.flags["--uri"]:
        message = "Invalid URI: name the image by its digest"
        raise CommandError(message)
    json.loads(Path(call.flags["--source"]).read_text())


def create(call: Call) -> Any:
    """Create a resource that does not exist yet."""
    name = _resource(call)
    with call.cloud.change() as state:
        if name in state["resources"]:
            message = f"ALREADY_EXISTS: {name}"
            raise CommandError(message)
        state["resources"].append(name)


def describe(call: Call) -> Any:
    """Return a resource that exists."""
    name = _resource(call)
    if name not in call.cloud.read()["resources"]:
        message = f"NOT_FOUND: {name}"
        raise CommandError(message)
    return {"name": name}


def import_trigger(call: Call) -> Any:
    """Read a trigger's file, which must exist."""
    Path(call.flags["--source"]).read_text()


def accept(_call: Call) -> Any:
    """Accept an idempotent command without recording state."""


def _resource(call: Call) -> str:
    kind = next(kind for beginning, kind in RESOURCES.items() if call.command.startswith(beginning))
    return f"{kind} {call.arguments[0].partition('@')[0]}"


HANDLERS: dict[str, Callable[[Call], Any]] = {
    **dict.fromkeys(KNOWN_FLAGS["commands"], accept),
    **dict.fromkeys([c for c in KNOWN_FLAGS["commands"] if c.split()[-1] == "create"], create),
    **dict.fromkeys([c for c in KNOWN_FLAGS["commands"] if c.split()[-1] == "describe"], describe),
    "scheduler jobs create pubsub": create,
    "builds describe": builds_describe,
    "builds triggers import": import_trigger,
    "logging read": logging_read,
    "auth print-identity-token": identity_token,
    "artifacts sbom load": sbom_load,
    **storage.HANDLERS,
    **run.HANDLERS,
}

if __name__ == "__main__":
    main(sys.argv[1:])
