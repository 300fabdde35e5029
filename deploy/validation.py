"""Validate every YAML file of deploy/ without a cloud: `python -m deploy.validation`.

Files are validated against Google's discovery documents, and for rules that those do not contain:
steps have names, wait for earlier steps, and use substitutions that are defined.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from deploy import schema, substitutions
from deploy.render import RenderError, render

DEPLOY = Path(__file__).parent
BUILDS = ("cloudbuild.yaml", "checks.yaml", "builder/cloudbuild.yaml")
SERVICE, JOB = "service.yaml", "job.yaml"
TRIGGERS = "triggers"
LIMITS = frozenset({"cpu", "memory"})
AT_ONCE = "-"
"""Value of `waitFor` for a step that starts immediately."""

SERVICE_EXAMPLE = {
    "SERVICE": "flight-delay",
    "IMAGE": f"europe-docker.pkg.dev/example/flight-delay/service@sha256:{'0' * 64}",
    "RUN_ACCOUNT": "flight-delay-run@example.iam.gserviceaccount.com",
    "COMMIT": "0" * 40,
    "MODEL": "flight_delay:1",
    "CANDIDATE": "flight-delay-2",
    "STABLE": "flight-delay-1",
    "MIN_INSTANCES": "0",
    "MAX_INSTANCES": "3",
}
JOB_EXAMPLE = {
    "JOB": "score-season",
    "TASKS": "10",
    "IMAGE": f"europe-docker.pkg.dev/example/flight-delay/score@sha256:{'0' * 64}",
    "RUN_ACCOUNT": "flight-delay-run@example.iam.gserviceaccount.com",
    "INPUT": "gs://example/season.parquet",
    "OUTPUT": "gs://example/scores.parquet",
    "MODEL": "flight_delay:1",
}
TRIGGER_EXAMPLE = {
    "PROJECT": "example",
    "REGION": "southamerica-west1",
    "CONNECTION": "github",
    "REPOSITORY_NAME": "flight-delay",
    "BUILD_ACCOUNT": "flight-delay-build@example.iam.gserviceaccount.com",
    "CHECK_ACCOUNT": "flight-delay-check@example.iam.gserviceaccount.com",
    "RETRAIN_TOPIC": "flight-delay-retrain",
}
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", re.IGNORECASE)

Data = dict[str, Any]


class _StrictLoader(yaml.SafeLoader):
    """YAML loader that rejects duplicate keys, which the default loaders ignore."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = Counter(self.construct_object(key, deep) for key, _ in node.value)
        if twice := [key for key, times in keys.items() if times > 1]:
            raise yaml.constructor.ConstructorError(None, None, f"duplicate key {twice[0]}")
        return super().construct_mapping(node, deep)


def load(text: str) -> Any:
    """Parse YAML and reject duplicate keys."""
    return yaml.load(text, _StrictLoader)  # noqa: S506 - a subclass of SafeLoader


def build_faults(build: Data) -> Iterator[str]:
    """Yield the faults of a build."""
    found = list(schema.faults("cloudbuild.v1", "Build", build))
    yield from found
    if not found:
        yield from _step_faults(build.get("steps", []))
        yield from _substitution_faults(build)


def service_faults(service: Data) -> Iterator[str]:
    """Yield the faults of a Cloud Run service whose placeholders are replaced."""
    found = list(schema.faults("run.v1", "Service", service))
    yield from found
    if found:
        return
    for holder in (service, service["spec"]["template"]):
        for name in holder.get("metadata", {}).get("annotations", {}):
            if name not in schema.known_annotations():
                yield f"metadata.annotations.{name}: is unknown"
    for container in service["spec"]["template"]["spec"]["containers"]:
        yield from _container_faults(container)
        yield from _probe_faults(container)
    if sum(target.get("percent", 0) for target in service["spec"]["traffic"]) != 100:
        yield "spec.traffic: the percentages do not add up to 100"


def job_faults(job: Data) -> Iterator[str]:
    """Yield the faults of a Cloud Run job whose placeholders are replaced."""
    found = list(schema.faults("run.v1", "Job", job))
    yield from found
    if found:
        return
    execution = job["spec"]["template"]["spec"]
    for container in execution["template"]["spec"]["containers"]:
        yield from _container_faults(container)
    if execution["parallelism"] > execution["taskCount"]:
        yield "spec.template.spec.parallelism: is larger than taskCount"


def trigger_faults(trigger: Data, folder: Path = DEPLOY.parent) -> Iterator[str]:
    """Yield the faults of a trigger; `folder` contains its build files."""
    found = list(schema.faults("cloudbuild.v1", "BuildTrigger", trigger))
    yield from found
    if found:
        return
    file = trigger.get("filename") or trigger.get("gitFileSource", {}).get("path", "")
    if not (folder / file).is_file():
        yield f"filename: there is no file {file!r}"
        return
    defined = load((folder / file).read_text()).get("substitutions", {})
    for name in trigger.get("substitutions", {}):
        if name not in defined:
            yield f"substitutions.{name}: is not defined in {file}"


def project_faults(folder: Path = DEPLOY) -> Iterator[str]:
    """Yield the faults of all YAML files of deploy/."""
    for name in BUILDS:
        yield from (f"{name}: {fault}" for fault in build_faults(load((folder / name).read_text())))
    text = (folder / SERVICE).read_text()
    yield from _named(SERVICE, service_faults(load(render(text, SERVICE_EXAMPLE))))
    text = (folder / JOB).read_text()
    yield from _named(JOB, job_faults(load(render(text, JOB_EXAMPLE))))
    for path in sorted((folder / TRIGGERS).glob("*.yaml")):
        yield from _named(f"{TRIGGERS}/{path.name}", trigger_faults(example_trigger(path)))


def example_trigger(path: Path) -> Data:
    """Return a trigger with example values for its placeholders."""
    text = path.read_text()
    needed = {name: value for name, value in TRIGGER_EXAMPLE.items() if f"${{{name}}}" in text}
    found: Data = load(render(text, needed))
    return found


def main() -> None:
    """Print every fault, and exit with 1 if there is one."""
    try:
        found = list(project_faults())
    except (RenderError, yaml.YAMLError) as error:
        found = [str(error)]
    if found:
        raise SystemExit("\n".join(found))
    sys.stdout.write("deploy/: every YAML file is valid\n")


def _named(name: str, found: Iterator[str]) -> Iterator[str]:
    return (f"{name}: {fault}" for fault in found)


def _step_faults(steps: list[Data]) -> Iterator[str]:
    before: set[str] = set()
    for number, step in enumerate(steps):
        for key in ("id", "name", "waitFor"):
            if not step.get(key):
                yield f"steps[{number}]: has no {key}"
        for other in step.get("waitFor", []):
            if other not in {*before, AT_ONCE}:
                yield f"steps[{number}].waitFor: there is no earlier step {other!r}"
        if step.get("id") in before:
            yield f"steps[{number}].id: {step['id']!r} is used twice"
        before.add(step.get("id", ""))


def _substitution_faults(build: Data) -> Iterator[str]:
    defined = build.get("substitutions", {})
    names = set(substitutions.used(build))
    for name in sorted(names - set(defined) - substitutions.BUILT_IN):
        yield f"the substitution {name} is used but not defined"
    for name in sorted(set(defined) - names):
        yield f"substitutions.{name}: is not used"


def _container_faults(container: Data) -> Iterator[str]:
    limits = set(container["resources"]["limits"])
    if limits != LIMITS:
        yield f"resources.limits: must name {' and '.join(sorted(LIMITS))}, not {sorted(limits)}"
    for variable in container.get("env", []):
        if _SECRET.search(variable["name"]) and "value" in variable:
            yield f"env.{variable['name']}: secrets come from Secret Manager (valueFrom)"


def _probe_faults(container: Data) -> Iterator[str]:
    for probe in ("startupProbe", "livenessProbe"):
        if probe not in container:
            yield f"containers: has no {probe}"


if __name__ == "__main__":
    main()
