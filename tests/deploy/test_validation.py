"""Every YAML file of deploy/ is valid, and no misspelling in any of them would pass."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from typer.main import get_command

from deploy import render, schema, validation
from deploy.validation import DEPLOY
from score.__main__ import app

Data = dict[str, Any]
Check = Callable[[Data], Iterator[str]]
Path = tuple[str | int, ...]


def _builds() -> Iterator[tuple[str, Data, Check]]:
    for name in validation.BUILDS:
        yield name, validation.load((DEPLOY / name).read_text()), validation.build_faults


def _files() -> list[tuple[str, Data, Check]]:
    """All files, each with the check that stands for it."""
    text = (DEPLOY / validation.SERVICE).read_text()
    service = validation.load(render.render(text, validation.SERVICE_EXAMPLE))
    text = (DEPLOY / validation.JOB).read_text()
    job = validation.load(render.render(text, validation.JOB_EXAMPLE))
    triggers = [
        (path.name, validation.example_trigger(path), validation.trigger_faults)
        for path in sorted((DEPLOY / "triggers").glob("*.yaml"))
    ]
    return [
        *_builds(),
        (validation.SERVICE, service, validation.service_faults),
        (validation.JOB, job, validation.job_faults),
        *triggers,
    ]


FILES = _files()
every_file = pytest.mark.parametrize(("name", "data", "check"), FILES, ids=[f[0] for f in FILES])


def _places(value: Any, path: Path = ()) -> Iterator[Path]:
    """Paths of everything in the data."""
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, item in items:
        yield (*path, key)
        yield from _places(item, (*path, key))


def _at(data: Any, path: Path) -> Any:
    for key in path:
        data = data[key]
    return data


def test_all_files_are_valid() -> None:
    """What is committed passes."""
    assert list(validation.project_faults()) == []


@every_file
def test_every_misspelt_key_is_refused(name: str, data: Data, check: Check) -> None:
    """One letter more, in any key of any depth, is a fault."""
    passed, tried = [], 0
    for path in _places(data):
        if isinstance(path[-1], str):
            broken = copy.deepcopy(data)
            holder = _at(broken, path[:-1])
            holder[f"{path[-1]}x"] = holder.pop(path[-1])
            tried += 1
            if not list(check(broken)):
                passed.append(path)
    assert passed == []
    assert tried > 8


@every_file
def test_every_wrong_type_is_refused(name: str, data: Data, check: Check) -> None:
    """Text where a number belongs, a number where text belongs, and a list where neither does."""
    passed = []
    for path in _places(data):
        found = _at(data, path)
        if not isinstance(found, (dict, list)):
            for wrong in ("seven" if isinstance(found, int) else 7, [found]):
                broken = copy.deepcopy(data)
                _at(broken, path[:-1])[path[-1]] = wrong
                if not list(check(broken)):
                    passed.append((path, wrong))
    assert passed == []


@every_file
def test_every_list_and_mapping_must_be_one(name: str, data: Data, check: Check) -> None:
    """A single word in the place of several is a fault."""
    passed = []
    for path in _places(data):
        if isinstance(_at(data, path), (dict, list)):
            broken = copy.deepcopy(data)
            _at(broken, path[:-1])[path[-1]] = "word"
            if not list(check(broken)):
                passed.append(path)
    assert passed == []


@pytest.mark.parametrize("key", ["id", "name", "waitFor"])
@pytest.mark.parametrize("name", validation.BUILDS)
def test_a_step_needs_name_image_and_order(name: str, key: str) -> None:
    """Cloud Build would run such a step; nobody could say when."""
    data = validation.load((DEPLOY / name).read_text())
    for number in range(len(data["steps"])):
        broken = copy.deepcopy(data)
        del broken["steps"][number][key]
        assert f"steps[{number}]: has no {key}" in list(validation.build_faults(broken))


def _build(**changes: Any) -> Data:
    steps = [
        {"id": "one", "name": "image", "waitFor": ["-"]},
        {"id": "two", "name": "image", "waitFor": ["one"]},
    ]
    return {"steps": steps, **changes}


def test_a_step_waits_only_for_earlier_steps() -> None:
    """For a name that no step has, or a later one has, it would wait in vain."""
    assert list(validation.build_faults(_build())) == []
    for other in ("three", "two"):
        broken = _build()
        broken["steps"][1]["waitFor"] = [other]
        assert list(validation.build_faults(broken)) == [
            f"steps[1].waitFor: there is no earlier step '{other}'"
        ]


def test_two_steps_of_one_name_are_refused() -> None:
    """Waiting for the name would mean either."""
    broken = _build()
    broken["steps"][1]["id"] = "one"
    assert "steps[1].id: 'one' stands twice" in list(validation.build_faults(broken))


@pytest.mark.parametrize(
    ("substitutions", "use", "fault"),
    [
        ({}, "$_REGION", "the substitution _REGION is used and defined nowhere"),
        ({}, "${_REGION}", "the substitution _REGION is used and defined nowhere"),
        ({"_REGION": "here"}, "plain", "substitutions._REGION: is used nowhere"),
        ({"_REGION": "here"}, "$$_REGION", "substitutions._REGION: is used nowhere"),
    ],
)
def test_substitutions_are_defined_and_used(
    substitutions: dict[str, str], use: str, fault: str
) -> None:
    """A dollar sign that stands twice is no use of one."""
    broken = _build(substitutions=substitutions, tags=[use])
    assert list(validation.build_faults(broken)) == [fault]


def test_a_key_that_stands_twice_is_refused() -> None:
    """YAML itself would take the last one and say nothing."""
    with pytest.raises(yaml.YAMLError, match="timeout stands twice"):
        validation.load("timeout: 1s\ntimeout: 2s\n")


def test_what_google_fills_in_may_not_be_given() -> None:
    """The API would pass over it."""
    assert list(schema.faults("cloudbuild.v1", "Build", {"status": "SUCCESS"})) == [
        "status: is filled in by Google alone"
    ]


@pytest.mark.parametrize("timeout", ["90", "1m", "s", "1.s", "-1s"])
def test_durations_are_seconds(timeout: str) -> None:
    """As the API writes them."""
    assert list(schema.faults("cloudbuild.v1", "Build", {"timeout": timeout}))


def _service() -> Data:
    return copy.deepcopy(next(data for name, data, _ in FILES if name == validation.SERVICE))


def test_secrets_come_from_secret_manager() -> None:
    """A secret in the file itself is refused, a reference to one is not."""
    broken = _service()
    environment = broken["spec"]["template"]["spec"]["containers"][0]["env"]
    environment.append({"name": "API_TOKEN", "value": "1234"})
    fault = "env.API_TOKEN: secrets come from Secret Manager (valueFrom)"
    assert list(validation.service_faults(broken)) == [fault]
    reference = {"secretKeyRef": {"name": "token", "key": "latest"}}
    environment[-1] = {"name": "API_TOKEN", "valueFrom": reference}
    assert list(validation.service_faults(broken)) == []


def _job() -> Data:
    return copy.deepcopy(next(data for name, data, _ in FILES if name == validation.JOB))


def test_no_more_tasks_run_at_once_than_there_are() -> None:
    """Cloud Run refuses it."""
    broken = _job()
    broken["spec"]["template"]["spec"]["parallelism"] = 11
    assert list(validation.job_faults(broken)) == [
        "spec.template.spec.parallelism: is more than taskCount"
    ]


def test_a_job_keeps_secrets_and_limits_as_the_service_does() -> None:
    """A secret in the file itself, or a limit left out, is refused in a job too."""
    broken = _job()
    container = broken["spec"]["template"]["spec"]["template"]["spec"]["containers"][0]
    container["env"].append({"name": "API_TOKEN", "value": "1234"})
    del container["resources"]["limits"]["memory"]
    found = list(validation.job_faults(broken))
    assert "env.API_TOKEN: secrets come from Secret Manager (valueFrom)" in found
    assert any(fault.startswith("resources.limits: must name cpu and memory") for fault in found)


def test_the_job_gives_a_command_line_that_the_scorer_takes() -> None:
    """Its arguments are read by the command's own parser, and none of them is unknown to it."""
    container = _job()["spec"]["template"]["spec"]["template"]["spec"]["containers"][0]
    assert container["command"] == ["python", "-m", "score"]
    context = get_command(app).make_context("score", list(container["args"]))
    assert context.params["source"] == validation.JOB_EXAMPLE["INPUT"]
    assert context.params["output"] == validation.JOB_EXAMPLE["OUTPUT"]
    assert context.params["allow_rejects"] is True


def test_the_traffic_adds_up() -> None:
    """Cloud Run refuses anything but 100 percent."""
    broken = _service()
    broken["spec"]["traffic"][0]["percent"] = 90
    assert list(validation.service_faults(broken)) == [
        "spec.traffic: the percentages do not add up to 100"
    ]


def test_the_service_is_private_bounded_and_probed() -> None:
    """What a careless edit would take away."""
    service = _service()
    annotations = service["metadata"]["annotations"]
    assert annotations["run.googleapis.com/invoker-iam-disabled"] == "false"
    spec = service["spec"]["template"]["spec"]
    assert 1 < spec["containerConcurrency"] <= 250
    container = spec["containers"][0]
    assert container["startupProbe"]["httpGet"]["path"] == "/readyz"
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
