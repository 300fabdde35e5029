"""Validate data against Google's discovery documents, which google-api-python-client contains.

Stricter than the APIs: unknown keys, numbers in place of text, and output-only fields are faults.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

Schema = dict[str, Any]

_DOCUMENTS = "googleapiclient.discovery_cache.documents"
_FORMATS = {
    "google-duration": re.compile(r"\d+(\.\d{1,9})?s"),
    "int64": re.compile(r"-?\d+"),
}
_BOUNDS = {"int32": 2**31}


@cache
def document(api: str) -> Schema:
    """Return the discovery document of an API, such as ``run.v1``."""
    package, name = _DOCUMENTS.rsplit(".", 1)
    text = resources.files(package).joinpath(name, f"{api}.json").read_text()
    found: Schema = json.loads(text)
    return found


@cache
def known_annotations() -> frozenset[str]:
    """Return the annotations that the documentation of Cloud Run's API lists."""
    names = re.findall(
        r"(?:run\.googleapis\.com|autoscaling\.knative\.dev)/[A-Za-z][\w-]*",
        json.dumps(document("run.v1")["schemas"]),
    )
    return frozenset(names)


def faults(api: str, schema: str, value: Any) -> Iterator[str]:
    """Yield every place where a value violates a schema of an API.

    Parameters
    ----------
    schema
        Name of the schema, such as ``Build``.

    Yields
    ------
    str
        Path and fault: ``steps[0].waitfor: is unknown``.
    """
    yield from _check(document(api)["schemas"], {"$ref": schema}, value, "")


def _check(schemas: Mapping[str, Schema], schema: Schema, value: Any, path: str) -> Iterator[str]:
    if schema.get("readOnly"):
        yield f"{path}: is output only"
    elif schema.get("deprecated"):
        yield f"{path}: is deprecated"
    elif "$ref" in schema:
        yield from _check(schemas, schemas[schema["$ref"]], value, path)
    elif schema["type"] == "array":
        yield from _check_array(schemas, schema, value, path)
    elif schema["type"] == "object":
        yield from _check_object(schemas, schema, value, path)
    else:
        yield from _check_scalar(schema, value, path)


def _check_array(
    schemas: Mapping[str, Schema], schema: Schema, value: Any, path: str
) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{path}: must be a list, not {value!r}"
        return
    for number, item in enumerate(value):
        yield from _check(schemas, schema["items"], item, f"{path}[{number}]")


def _check_object(
    schemas: Mapping[str, Schema], schema: Schema, value: Any, path: str
) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: must be a mapping, not {value!r}"
        return
    properties = schema.get("properties", {})
    others = schema.get("additionalProperties")
    for key, item in value.items():
        inner = f"{path}.{key}" if path else str(key)
        if key in properties:
            yield from _check(schemas, properties[key], item, inner)
        elif others is not None and isinstance(key, str):
            yield from _check(schemas, others, item, inner)
        else:
            yield f"{inner}: is unknown"


def _check_scalar(schema: Schema, value: Any, path: str) -> Iterator[str]:
    kinds: dict[str, type | tuple[type, ...]] = {
        "string": str,
        "integer": int,
        "boolean": bool,
        "number": (int, float),
    }
    kind, form = schema["type"], schema.get("format", "")
    whole = form == "int64" and isinstance(value, int)  # int64 may be a number or text
    wrong = isinstance(value, bool) and kind != "boolean"
    if wrong or not (isinstance(value, kinds[kind]) or whole):
        yield f"{path}: must be {kind}, not {value!r}"
    elif "enum" in schema and value not in schema["enum"]:
        yield f"{path}: must be one of {', '.join(schema['enum'])}, not {value!r}"
    elif not _fits(form, value):
        yield f"{path}: {value!r} is not a valid {form}"


def _fits(form: str, value: Any) -> bool:
    if form in _FORMATS:
        return bool(_FORMATS[form].fullmatch(str(value)))
    return form not in _BOUNDS or -_BOUNDS[form] <= value < _BOUNDS[form]
