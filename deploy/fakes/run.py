"""Fake of Cloud Run: services with revisions, tags and traffic that adds up to 100 %."""

from __future__ import annotations

import site
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deploy.fakes.cloud import CommandError

Target = dict[str, Any]


def describe(call: Any) -> Any:
    """Return a service as `--format=json` shows it, with the URLs of the state."""
    state = call.cloud.read()
    service = _find(state, call.arguments[0])
    urls = state["urls"]
    traffic = [
        {**target, **({"url": urls[target["tag"]]} if "tag" in target else {})}
        for target in service["traffic"]
    ]
    return {
        "metadata": {"name": call.arguments[0]},
        "status": {"url": urls["service"], "traffic": traffic},
    }


def replace(call: Any) -> Any:
    """Apply a service's file, validated against the API's schema: new revision and traffic."""
    site.main()  # the wrapper starts Python without site-packages, which is faster
    import yaml  # noqa: PLC0415 - needs site-packages

    from deploy import schema  # noqa: PLC0415 - needs google-api-python-client

    wanted = yaml.safe_load(Path(call.arguments[0]).read_text())
    if faults := list(schema.faults("run.v1", "Service", wanted)):
        raise CommandError("; ".join(faults))
    template = wanted["spec"]["template"]
    revision = template["metadata"]["name"]
    with call.cloud.change() as state:
        service = state["services"].setdefault(
            wanted["metadata"]["name"], {"revisions": {}, "traffic": []}
        )
        if revision in service["revisions"]:
            message = f"Revision named '{revision}' with different configuration already exists."
            raise CommandError(message)
        service["revisions"][revision] = template["spec"]["containers"][0]["image"]
        _require_ready(state, revision)
        service["traffic"] = _checked(service, wanted["spec"]["traffic"])


def update_traffic(call: Any) -> Any:
    """Change tags first, then percentages, as gcloud does; other revisions lose their traffic."""
    with call.cloud.change() as state:
        service = _find(state, call.arguments[0])
        gone = call.flags.get("--remove-tags", "").split(",")
        tags = [t for t in service["traffic"] if "tag" in t and t["tag"] not in gone]
        pairs = [pair.split("=") for pair in call.flags["--to-revisions"].split(",")]
        shares = [{"revisionName": name, "percent": int(share)} for name, share in pairs]
        kept = [{"revisionName": t["revisionName"], "tag": t["tag"]} for t in tags]
        service["traffic"] = _checked(service, [*shares, *kept])


def _find(state: dict[str, Any], name: str) -> dict[str, Any]:
    if name not in state["services"]:
        message = f"Cannot find service [{name}]"
        raise CommandError(message)
    service: dict[str, Any] = state["services"][name]
    return service


def _require_ready(state: dict[str, Any], revision: str) -> None:
    if any(revision.endswith(each) for each in state["unready"]):
        message = f"Revision '{revision}' is not ready and cannot serve traffic."
        raise CommandError(message)


def _checked(service: dict[str, Any], traffic: list[Target]) -> list[Target]:
    """Return the traffic if its revisions exist and its percentages add up to 100."""
    for target in traffic:
        if target["revisionName"] not in service["revisions"]:
            message = f"Revision '{target['revisionName']}' does not exist."
            raise CommandError(message)
    if sum(target.get("percent", 0) for target in traffic) != 100:
        message = "The traffic's percentages must add up to 100."
        raise CommandError(message)
    return traffic


HANDLERS: dict[str, Callable[[Any], Any]] = {
    "run services describe": describe,
    "run services replace": replace,
    "run services update-traffic": update_traffic,
}
