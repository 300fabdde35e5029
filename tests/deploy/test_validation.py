"""Tests that the YAML files of deploy/ are valid, and that every misspelling is found."""

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
    """Return all files, each with the function that checks it."""
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
    """Yield the paths of all values in the data."""
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
    """The committed files have no faults."""
    assert list(validation.project_faults()) == []


@every_file
def test_every_misspelt_key_is_found(name: str, data: Data, check: Check) -> None:
    """An extra letter in any key at any depth is a fault."""
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
def test_every_wrong_type_is_found(name: str, data: Data, check: Check) -> None:
    """Text in place of a number, a number in place of text, and a list in place of both."""
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
def test_a_scalar_in_place_of_a_list_or_mapping_is_found(
    name: str, data: Data, check: Check
) -> None:
    """A single word in place of a list or mapping is a fault."""
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
    """Cloud Build would accept such a step, but its order would be unclear."""
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
    """A missing or later step in `waitFor` is a fault."""
    assert list(validation.build_faults(_build())) == []
    for other in ("three", "two"):
        broken = _build()
        broken["steps"][1]["waitFor"] = [other]
        assert list(validation.build_faults(broken)) == [
            f"steps[1].waitFor: there is no earlier step '{other}'"
        ]


def test_duplicate_step_ids_are_found() -> None:
    """`waitFor` would be ambiguous."""
    broken = _build()
    broken["steps"][1]["id"] = "one"
    assert "steps[1].id: 'one' is used twice" in list(validation.build_faults(broken))


@pytest.mark.parametrize(
    ("substitutions", "use", "fault"),
    [
        ({}, "$_REGION", "the substitution _REGION is used but not defined"),
        ({}, "${_REGION}", "the substitution _REGION is used but not defined"),
        ({"_REGION": "here"}, "plain", "substitutions._REGION: is not used"),
        ({"_REGION": "here"}, "$$_REGION", "substitutions._REGION: is not used"),
    ],
)
def test_substitutions_are_defined_and_used(
    substitutions: dict[str, str], use: str, fault: str
) -> None:
    """An escaped dollar sign (`$$`) does not use a substitution."""
    broken = _build(substitutions=substitutions, tags=[use])
    assert list(validation.build_faults(broken)) == [fault]


def test_a_duplicate_key_raises() -> None:
    """PyYAML alone would silently use the last one."""
    with pytest.raises(yaml.YAMLError, match="duplicate key timeout"):
        validation.load("timeout: 1s\ntimeout: 2s\n")


def test_output_only_fields_are_found() -> None:
    """The API would ignore them."""
    assert list(schema.faults("cloudbuild.v1", "Build", {"status": "SUCCESS"})) == [
        "status: is output only"
    ]


@pytest.mark.parametrize("timeout", ["90", "1m", "s", "1.s", "-1s"])
def test_durations_are_seconds(timeout: str) -> None:
    """Other units are faults."""
    assert list(schema.faults("cloudbuild.v1", "Build", {"timeout": timeout}))


def _service() -> Data:
    return copy.deepcopy(next(data for name, data, _ in FILES if name == validation.SERVICE))


def test_secrets_come_from_secret_manager() -> None:
    """A secret in the file is a fault, a reference to one is not."""
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


def test_the_parallelism_is_at_most_the_number_of_tasks() -> None:
    """Cloud Run rejects a larger one."""
    broken = _job()
    broken["spec"]["template"]["spec"]["parallelism"] = 11
    assert list(validation.job_faults(broken)) == [
        "spec.template.spec.parallelism: is larger than taskCount"
    ]


def test_secrets_and_limits_of_a_job_are_checked() -> None:
    """A secret in the file and a missing limit are faults."""
    broken = _job()
    container = broken["spec"]["template"]["spec"]["template"]["spec"]["containers"][0]
    container["env"].append({"name": "API_TOKEN", "value": "1234"})
    del container["resources"]["limits"]["memory"]
    found = list(validation.job_faults(broken))
    assert "env.API_TOKEN: secrets come from Secret Manager (valueFrom)" in found
    assert any(fault.startswith("resources.limits: must name cpu and memory") for fault in found)


def test_the_command_line_of_the_job_is_valid() -> None:
    """The scorer's own parser accepts its arguments."""
    container = _job()["spec"]["template"]["spec"]["template"]["spec"]["containers"][0]
    assert container["command"] == ["python", "-m", "score"]
    context = get_command(app).make_context("score", list(container["args"]))
    assert context.params["source"] == validation.JOB_EXAMPLE["INPUT"]
    assert context.params["output"] == validation.JOB_EXAMPLE["OUTPUT"]
    assert context.params["allow_rejects"] is True


def test_the_traffic_adds_up() -> None:
    """Cloud Run only accepts 100 percent."""
    broken = _service()
    broken["spec"]["traffic"][0]["percent"] = 90
    assert list(validation.service_faults(broken)) == [
        "spec.traffic: the percentages do not add up to 100"
    ]


def test_the_service_is_private_bounded_and_probed() -> None:
    """The service keeps its ingress, limits and probes."""
    service = _service()
    annotations = service["metadata"]["annotations"]
    assert annotations["run.googleapis.com/invoker-iam-disabled"] == "false"
    spec = service["spec"]["template"]["spec"]
    assert 1 < spec["containerConcurrency"] <= 250
    container = spec["containers"][0]
    assert container["startupProbe"]["httpGet"]["path"] == "/readyz"
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
