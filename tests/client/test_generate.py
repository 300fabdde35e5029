"""Tests of the modules that are generated from the service's contract."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import scl_delay
from client import generate
from scl_delay import models
from serving.contract import schema
from serving.errors import problem_classes


def test_the_generated_modules_are_current() -> None:
    """The modules in the package equal the generated ones; `make client-models` updates them."""
    for name, text in generate.modules().items():
        assert (generate.PACKAGE / name).read_text() == text, f"{name}: run {generate.COMMAND}"


def test_a_changed_module_is_listed_and_rewritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--check` lists a module that was changed by hand; generating again restores it."""
    (tmp_path / "_transport").mkdir()
    for name in generate.modules():
        shutil.copy(generate.PACKAGE / name, tmp_path / name)
    monkeypatch.setattr(generate, "PACKAGE", tmp_path)
    models_file = tmp_path / "models.py"
    models_file.write_text(models_file.read_text().replace("ge=0", "ge=1"))
    assert generate.main(["--check"]) == 1
    assert "models.py" in capsys.readouterr().err
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0


@pytest.mark.parametrize("name", ["Flight", "AirportState", "AirportWindow"])
def test_the_request_models_have_the_contracts_schema(name: str) -> None:
    """Fields, bounds, patterns and defaults of a request are those of the contract."""
    theirs = getattr(schema, name).model_json_schema()
    ours = getattr(models, name).model_json_schema()
    for field, described in theirs["properties"].items():
        bare = {key: value for key, value in described.items() if key in {"pattern", "anyOf"}}
        got = {key: value for key, value in ours["properties"][field].items() if key in bare}
        if "scheduled" not in field and "observed" not in field:
            assert got == bare, field
    assert ours.get("required") == theirs.get("required")
    assert ours["additionalProperties"] is False


def test_every_problem_of_the_service_has_its_exception() -> None:
    """The package exports one exception per problem type, named after the type."""
    for problem in problem_classes():
        exception = getattr(scl_delay, generate.exception_name(problem))
        assert exception.kind == problem.kind
        assert issubclass(exception, scl_delay.ProblemError)


def test_every_name_in_all_exists() -> None:
    """`__all__` lists only names that the package has."""
    assert all(hasattr(scl_delay, name) for name in scl_delay.__all__)
