"""Write the image's bill of materials: its Python and Debian packages, as CycloneDX JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from load.tools.container_engine import run_inside

FILE = "sbom.cdx.json"
SCHEMA = SchemaVersion.V1_6
QUERY = """
import importlib.metadata, json, subprocess
found = {(each.metadata["Name"], each.version) for each in importlib.metadata.distributions()}
form = "--showformat=${Package}\\t${Version}\\t${Architecture}\\n"
debian = subprocess.check_output(["dpkg-query", "--show", form], text=True)
print(json.dumps({"python": sorted(found), "debian": debian}))
"""


class SbomError(Exception):
    """Error for a document that is not valid CycloneDX."""


def write(image: str, facts: Mapping[str, Any], path: Path) -> None:
    """List the packages installed in the image, and write the document.

    Parameters
    ----------
    facts
        Output of the engine's `inspect`; the image's id and labels describe the main component.

    Raises
    ------
    SbomError
        If the document does not follow the schema.
    """
    found = json.loads(run_inside(image, "python", "-c", QUERY))
    components = [*python_packages(found["python"]), *debian_packages(found["debian"])]
    path.write_text(document(image_component(image, facts), components))


def document(about: Component, components: list[Component]) -> str:
    """Return the document as text, validated against the schema of CycloneDX 1.6.

    Raises
    ------
    SbomError
        If it is not valid.
    """
    bom = Bom(components=components)
    bom.metadata.component = about
    bom.register_dependency(about, components)
    text = make_outputter(bom, OutputFormat.JSON, SCHEMA).output_as_string(indent=1)
    if mistake := JsonStrictValidator(SCHEMA).validate_str(text):
        message = f"the bill of materials is not valid CycloneDX: {mistake}"
        raise SbomError(message)
    return text


def image_component(image: str, facts: Mapping[str, Any]) -> Component:
    """Return the component of the image; its reference is the image's id."""
    labels: Mapping[str, str] = facts["Config"]["Labels"] or {}
    return Component(
        type=ComponentType.CONTAINER,
        name=image.rpartition(":")[0],
        version=labels.get("org.opencontainers.image.version", facts["Id"]),
        bom_ref=facts["Id"],
    )


def python_packages(found: list[tuple[str, str]]) -> Iterator[Component]:
    """Yield the Python packages, including those of the base image."""
    for name, version in found:
        purl = PackageURL("pypi", name=name.lower().replace("_", "-"), version=version)
        yield Component(name=name, version=version, purl=purl, bom_ref=purl.to_string())


def debian_packages(listing: str) -> Iterator[Component]:
    """Yield the Debian packages from dpkg's list of name, version and architecture."""
    for line in listing.splitlines():
        name, version, architecture = line.split("\t")
        qualifiers = {"arch": architecture, "distro": "debian"}
        purl = PackageURL("deb", "debian", name, version, qualifiers)
        yield Component(name=name, version=version, purl=purl, bom_ref=purl.to_string())
