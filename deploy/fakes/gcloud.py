"""A stand-in for gcloud: knows the commands that the scripts use, and refuses all else.

Which flags a command takes was learned from a real Cloud SDK (`flags.json`, by `learn.py`). What it
answers is shaped like the real answers, as far as the scripts read them. It reaches no network.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.fakes import run, storage
from deploy.fakes.cloud import Cloud
from deploy.fakes.errors import Refusal

LEARNED = json.loads(Path(__file__).with_name("flags.json").read_text())
TOKEN = "stand-in-identity-token"  # noqa: S105 - opens nothing
RESOURCES = {
    "artifacts repositories": "repository",
    "iam service-accounts": "account",
    "pubsub topics": "topic",
    "scheduler jobs": "job",
}


@dataclass
class Call:
    """One call: its command, positional arguments and flags.

    Attributes
    ----------
    answer
        What the command found, for ``--format``; nothing where it prints nothing.
    """

    cloud: Cloud
    command: str
    arguments: list[str]
    flags: dict[str, str] = field(default_factory=dict)


def main(words: list[str]) -> None:
    """Answer one call, or refuse it with gcloud's exit code 1."""
    cloud = Cloud.of_environment()
    cloud.record("gcloud", words)
    try:
        call = parse(cloud, words)
        show(HANDLERS[call.command](call), call.flags.get("--format", ""))
    except Refusal as refusal:
        sys.exit(f"ERROR: (gcloud) {refusal}")


def parse(cloud: Cloud, words: list[str]) -> Call:
    """Split the words of a call.

    Raises
    ------
    Refusal
        If the command is unknown here, or takes no such flag in the real gcloud.
    """
    plain = [word for word in words if not word.startswith("--")]
    known = LEARNED["commands"]
    lengths = [n for n in range(len(plain), 0, -1) if " ".join(plain[:n]) in known]
    if not lengths:
        message = f"Invalid choice: {' '.join(words)}"
        raise Refusal(message)
    command = " ".join(plain[: lengths[0]])
    allowed = {**LEARNED["everywhere"], **known[command]}
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
        raise Refusal(message)
    if takes_value != (kind != "bool"):
        message = f"argument {name}: {'ignored' if takes_value else 'expected'} one argument"
        raise Refusal(message)


def show(answer: Any, form: str) -> None:
    """Print an answer as ``json`` or as ``value(path)``; bytes as they are."""
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
    """Status of a build."""
    status = call.cloud.read()["builds"].get(call.arguments[0])
    if status is None:
        message = f"NOT_FOUND: Requested entity was not found: {call.arguments[0]}"
        raise Refusal(message)
    return {"id": call.arguments[0], "status": status}


def logging_read(call: Call) -> Any:
    """Errors that people met, of the revision that the filter names."""
    errors = call.cloud.read()["errors"]
    words = call.arguments[0].replace("=", " ").split()
    revision = words[words.index("resource.labels.revision_name") + 1]
    return [{"httpRequest": {"status": status}} for status in errors.get(revision, [])]


def identity_token(call: Call) -> Any:
    """A token, which has to say for whom it is."""
    if "--audiences" not in call.flags:
        message = "a service account's token needs --audiences"
        raise Refusal(message)
    return TOKEN


def sbom_load(call: Call) -> Any:
    """Take an SBOM for an image that is named by its digest."""
    if "@sha256:" not in call.flags["--uri"]:
        message = "Invalid URI: name the image by its digest"
        raise Refusal(message)
    json.loads(Path(call.flags["--source"]).read_text())


def create(call: Call) -> Any:
    """Make a resource, once."""
    name = _resource(call)
    with call.cloud.change() as state:
        if name in state["resources"]:
            message = f"ALREADY_EXISTS: {name}"
            raise Refusal(message)
        state["resources"].append(name)


def describe(call: Call) -> Any:
    """Find a resource."""
    name = _resource(call)
    if name not in call.cloud.read()["resources"]:
        message = f"NOT_FOUND: {name}"
        raise Refusal(message)
    return {"name": name}


def import_trigger(call: Call) -> Any:
    """Take a trigger's file, if there is one."""
    Path(call.flags["--source"]).read_text()


def accept(_call: Call) -> Any:
    """Do as if it were done: repeating it changes nothing in the real cloud either."""


def _resource(call: Call) -> str:
    kind = next(kind for beginning, kind in RESOURCES.items() if call.command.startswith(beginning))
    return f"{kind} {call.arguments[0].partition('@')[0]}"


HANDLERS: dict[str, Callable[[Call], Any]] = {
    **dict.fromkeys(LEARNED["commands"], accept),
    **dict.fromkeys([c for c in LEARNED["commands"] if c.split()[-1] == "create"], create),
    **dict.fromkeys([c for c in LEARNED["commands"] if c.split()[-1] == "describe"], describe),
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
