"""Tests of the image's settings and description; tests/container tests the image itself."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.image import build, check, sbom
from deploy.image.build import BuildError, Plan
from load.tools import container_engine as engine
from tests.support.server import PROJECT

DIGEST = "sha256:" + "0123456789abcdef" * 4
CARD = {"data": {"sha256": "5e" * 32}}


def test_settings_come_from_the_environment() -> None:
    """An empty variable counts as absent."""
    named = {"IMAGE": "registry:5000/x:1", "BASE_IMAGE": f"python@{DIGEST}", "REVISION": "abc"}
    plan = Plan.of({**named, "SBOM": "here/sbom.json"})
    assert (plan.image, plan.base, plan.revision) == tuple(named.values())
    assert plan.sbom == Path("here/sbom.json")
    plain = Plan.of({"IMAGE": "", "BASE_IMAGE": "", "REVISION": "abc"})
    assert (plain.image, plain.base) == (engine.DEFAULT_IMAGE, build.DEFAULT_BASE)


@pytest.mark.parametrize(
    "base", ["python:3.11-slim", "python", "python@sha256:abc", "python:3.11-slim@sha256:"]
)
def test_a_base_without_digest_raises_if_one_is_required(base: str) -> None:
    """A tag may point to another image later."""
    with pytest.raises(BuildError, match="Use a digest"):
        Plan.of({"BASE_IMAGE": base, "REQUIRE_DIGEST": "1", "REVISION": "abc"})
    pinned = f"python:3.11-slim@{DIGEST}"
    settings = {"BASE_IMAGE": pinned, "REQUIRE_DIGEST": "1", "REVISION": "abc"}
    assert Plan.of(settings).base == pinned


def test_labels_have_revision_model_and_data() -> None:
    """Labels use the keys of the OCI specification where it has one."""
    plan = Plan("x:1", f"python:3.11-slim@{DIGEST}", "abc")
    labels = build.labels(plan, "flight_delay:20171231-00", CARD, "bento:1")
    assert labels["org.opencontainers.image.revision"] == "abc"
    assert labels["org.opencontainers.image.version"] == "20171231-00"
    assert labels["org.opencontainers.image.base.name"] == "python:3.11-slim"
    assert labels["org.opencontainers.image.base.digest"] == DIGEST
    assert labels["flight-delay.model"] == "flight_delay:20171231-00"
    assert labels["flight-delay.data.sha256"] == CARD["data"]["sha256"]


def test_a_base_without_digest_has_no_digest_label() -> None:
    """The label is omitted if the digest is not known."""
    labels = build.labels(Plan("x:1", "python:3.11-slim", "abc"), "m:1", CARD, "bento:1")
    assert "org.opencontainers.image.base.digest" not in labels


def test_the_bento_has_the_projects_options_and_dockerfile(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """All options of bentofile.yaml are kept."""
    asked: list[tuple[str, ...]] = []

    def run(*arguments: str, cwd: Path) -> str:
        asked.append(arguments)
        return "some warning\n__tag__:flight_delay_service:abc\n"

    monkeypatch.setattr(build, "bentoml", run)
    assert build.build_bento(tmp_path) == "flight_delay_service:abc"
    written = yaml.safe_load(Path(asked[0][asked[0].index("--bentofile") + 1]).read_text())
    assert written.pop("docker") == {"dockerfile_template": build.TEMPLATE}
    assert written == yaml.safe_load((PROJECT / "bentofile.yaml").read_text())


def test_a_build_without_image_raises(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`bentoml containerize` exits with 0 even if it built nothing."""
    monkeypatch.setattr(build, "bentoml", lambda *_, **__: "Encountered exception: no space left")
    with pytest.raises(BuildError, match="no space left"):
        build.containerize(Plan("x:1", "python", "abc"), "bento:1", {"a": "b"}, tmp_path)


def test_the_build_gets_labels_base_and_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """They are options of the engine; TMPDIR is a folder where BentoML can read the template."""
    asked: list[tuple[tuple[str, ...], dict[str, Any]]] = []

    def run(*arguments: str, **options: Any) -> str:
        asked.append((arguments, options))
        return 'Successfully built Bento container for "bento:1" with tag(s)'

    monkeypatch.setattr(build, "bentoml", run)
    plan = Plan("x:1", "python:3", "abc", cache_from="y:cache")
    build.containerize(plan, "bento:1", {"a": "b"}, tmp_path)
    arguments, options = asked[0]
    for option in ("label=a=b", "build-arg=BASE_IMAGE=python:3", "cache-from=y:cache"):
        assert arguments[arguments.index(option) - 1] == "--opt"
    assert options == {"cwd": tmp_path, "TMPDIR": str(tmp_path)}


def test_a_missing_engine_raises_engine_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing command and an engine without an answer raise EngineError."""
    monkeypatch.setattr("shutil.which", lambda _name: None)
    with pytest.raises(engine.EngineError, match="not on PATH"):
        engine.require()
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    refused = subprocess.CompletedProcess([], 1, "", "Cannot connect to the Docker daemon")
    monkeypatch.setattr("subprocess.run", lambda *_, **__: refused)
    with pytest.raises(engine.EngineError, match="Cannot connect"):
        engine.require()
    with pytest.raises(SystemExit, match="Cannot connect"):
        check.main()


def test_excluded_packages_are_in_the_lock() -> None:
    """The list of excluded packages has only packages of the lock."""
    listed = (PROJECT / "deploy" / "image" / "left-out.txt").read_text().splitlines()
    names = [line for line in listed if line and not line.startswith("#")]
    lock = (PROJECT / "requirements" / "serve.lock").read_text()
    assert names
    assert all(f"\n{name}==" in lock for name in names)


def test_the_bill_of_materials_has_python_and_debian_packages() -> None:
    """Each package has its package URL, and the document is valid."""
    facts = {"Id": DIGEST, "Config": {"Labels": {"org.opencontainers.image.version": "1-a"}}}
    python = sbom.python_packages([("PyYAML", "6.0"), ("pydantic_core", "2.1")])
    debian = sbom.debian_packages("libgomp1\t12.2.0-14\tamd64\nlibc6\t2.36-9\tamd64\n")
    about = sbom.image_component("registry:5000/service:1", facts)
    written = json.loads(sbom.document(about, [*python, *debian]))
    purls = {each["purl"] for each in written["components"]}
    assert "pkg:pypi/pydantic-core@2.1" in purls
    assert "pkg:deb/debian/libgomp1@12.2.0-14?arch=amd64&distro=debian" in purls
    assert len(purls) == 4
    component = written["metadata"]["component"]
    assert (component["name"], component["version"]) == ("registry:5000/service", "1-a")


def test_the_bill_of_materials_is_validated(monkeypatch: pytest.MonkeyPatch) -> None:
    """An invalid document raises."""
    monkeypatch.setattr(
        "cyclonedx.validation.json.JsonStrictValidator.validate_str",
        lambda *_, **__: "components: wrong",
    )
    facts = {"Id": DIGEST, "Config": {"Labels": None}}
    with pytest.raises(sbom.SbomError, match="components: wrong"):
        sbom.document(sbom.image_component("x:1", facts), [])
