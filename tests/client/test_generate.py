"""The client's models, problems and constants are what the service's contract says."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import scl_delay
from client import generate
from scl_delay import models
from serving.contract import schema
from serving.errors import ProblemError


def test_nothing_has_drifted() -> None:
    """The generated modules are those that the contract gives now: else `make client-models`."""
    for name, text in generate.modules().items():
        assert (generate.PACKAGE / name).read_text() == text, f"{name}: run {generate.COMMAND}"


def test_a_drifted_module_is_named_and_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A change made by hand is found, named, and undone by writing anew."""
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
def test_what_is_sent_has_the_same_schema(name: str) -> None:
    """Fields, bounds, patterns and defaults of what is sent are the contract's own."""
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
    """One class per type of problem, named after the service's own and offered by the package."""
    kinds = {each.kind: each for each in _all(ProblemError) if each.__module__ == "serving.errors"}
    for kind, refusal in kinds.items():
        exception = getattr(scl_delay, f"{refusal.__name__}Error")
        assert exception.kind == kind
        assert issubclass(exception, scl_delay.ProblemError)


def _all(base: type[ProblemError]) -> list[type[ProblemError]]:
    found = base.__subclasses__()
    return found + [deeper for each in found for deeper in _all(each)]


def test_all_that_is_offered_is_there() -> None:
    """`__all__` names nothing that is missing."""
    assert all(hasattr(scl_delay, name) for name in scl_delay.__all__)
