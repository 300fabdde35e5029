"""Print the stable revision or a URL of the service: `python -m deploy.traffic stable|url [TAG]`.

Prints nothing if the service does not exist yet.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import Any

NOT_FOUND = "Cannot find service"
"""gcloud's message for a service that does not exist; every other failure raises."""

Service = dict[str, Any]


def stable(service: Service) -> str:
    """Return the name of the stable revision: the one with the largest share of the traffic.

    The canary of a cancelled build always has a smaller share than the revision before it.
    """
    shares: dict[str, int] = {}
    for target in service["status"].get("traffic", []):
        name = target["revisionName"]
        shares[name] = shares.get(name, 0) + target.get("percent", 0)
    return max(shares, key=lambda name: shares[name]) if any(shares.values()) else ""


def url(service: Service, tag: str | None = None) -> str:
    """Return the URL of the service, or of the revision with a tag.

    Raises
    ------
    LookupError
        If no revision has the tag.
    """
    status = service["status"]
    tagged: dict[str | None, str] = {None: status["url"]}
    tagged |= {each["tag"]: each["url"] for each in status["traffic"] if "tag" in each}
    if tag not in tagged:
        message = f"no revision is tagged {tag}"
        raise LookupError(message)
    return tagged[tag]


def describe(name: str, region: str, project: str) -> Service | None:
    """Return a service from gcloud, or None if it does not exist.

    Raises
    ------
    RuntimeError
        If gcloud fails for any other reason.
    """
    command = [shutil.which("gcloud") or "gcloud", "run", "services", "describe", name]
    command += [f"--region={region}", f"--project={project}", "--format=json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)  # noqa: S603 - gcloud
    if done.returncode == 0:
        found: Service = json.loads(done.stdout)
        return found
    if NOT_FOUND in done.stderr:
        return None
    raise RuntimeError(done.stderr)


def main(question: str, *arguments: str) -> None:
    """Print the answer to one question about the service that the environment names."""
    service = describe(*(os.environ[name] for name in ("SERVICE", "REGION", "PROJECT")))
    if service is not None:
        answer = {"stable": stable, "url": url}[question](service, *arguments)
        sys.stdout.write(f"{answer}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
