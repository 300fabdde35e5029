"""Write the client's models, exceptions and constants from the service's contract.

    python -m client.generate            writes them (`make client-models`)
    python -m client.generate --check    fails if they differ from the contract

The service's code is the one source. Answers are parsed with ``extra="ignore"``: an older client
keeps working when a newer service adds fields.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from data.flights import AIRPORT_HOURS
from data.reference import DELAY_MINUTES
from data.schema import ENGLISH, SCHEDULE_COLUMNS
from features.airport import LONGEST_DELAY, SHORTEST_DELAY
from serving.api.asgi import PROBLEM_TYPE
from serving.api.openapi import openapi_document
from serving.contract import schema as contract
from serving.errors import ProblemError, problem_classes
from serving.settings import Settings

PACKAGE = Path(__file__).parent / "src" / "scl_delay"
COMMAND = "make client-models"
WIDTH = 100

Schema = dict[str, Any]

_ALIASES = ("Airline", "Airport", "FlightNumber")
_BOUNDS = {
    "minimum": "ge",
    "maximum": "le",
    "multipleOf": "multiple_of",
    "minItems": "min_length",
    "maxItems": "max_length",
}
_PLAIN = {"string": "str", "number": "float", "integer": "int", "boolean": "bool"}


def main(arguments: list[str]) -> int:
    """Write the modules, or list those that differ (``--check``) and return 1 if there are any."""
    generated = modules()
    stale = [name for name, text in generated.items() if _read(PACKAGE / name) != text]
    if "--check" not in arguments:
        for name in stale:
            (PACKAGE / name).write_text(generated[name])
        return 0
    for name in stale:
        sys.stderr.write(f"{name} differs from the service's contract: run `{COMMAND}`\n")
    return bool(stale)


def modules() -> dict[str, str]:
    """Return the text of each generated module, by its path inside the package."""
    texts = {
        "_transport/constants.py": _constants(),
        "models.py": _models(),
        "_transport/problems.py": _problems(),
    }
    return {name: _formatted(text) for name, text in texts.items()}


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _formatted(text: str) -> str:
    beside = Path(sys.executable).with_name("ruff")
    ruff = str(beside) if beside.exists() else shutil.which("ruff") or "ruff"
    command = [ruff, "format", "--line-length", str(WIDTH), "-"]
    run = subprocess.run(command, input=text, capture_output=True, text=True, check=True)  # noqa: S603 - ruff
    return run.stdout


def _head(first: str) -> list[str]:
    return [
        f'"""{first}',
        "",
        f"Made by `{COMMAND}` from the service's contract: edit that, not this.",
        '"""',
        "",
        "from __future__ import annotations",
        "",
    ]


# --- constants ----------------------------------------------------------------------------------


def _constants() -> str:
    limits = Settings.model_fields
    raw = {str(name): english for name, english in ENGLISH.items()}
    schedule = {name: english for name, english in raw.items() if english in SCHEDULE_COLUMNS}
    actual = next(name for name, english in raw.items() if english == "actual_departure")
    body_bytes = limits["max_body_bytes"].default
    constants: list[tuple[str, str, str]] = [
        ("MAX_FLIGHTS", f"{contract.MAX_FLIGHTS:_}", "Largest number of flights per request."),
        ("MAX_BODY_BYTES", f"{body_bytes:_}", "Default limit of a request body, in bytes."),
        ("LATE_MINUTES", str(DELAY_MINUTES), "A flight is late if its delay exceeds this."),
        ("SHORTEST_DELAY", str(SHORTEST_DELAY), "Smaller delays count as this, in minutes."),
        ("LONGEST_DELAY", str(LONGEST_DELAY), "Larger delays count as this, in minutes."),
        ("AIRPORT_HOURS", str(AIRPORT_HOURS), "Windows of the airport state, in hours."),
        ("SCHEDULE_COLUMNS", str(SCHEDULE_COLUMNS), "Fields of a flight; no others are sent."),
        ("RAW_COLUMNS", repr(schedule), "Names of these fields in dataset_SCL.csv."),
        ("RAW_ACTUAL_DEPARTURE", repr(actual), "Actual departure in dataset_SCL.csv."),
        ("DEPARTURE_PATTERN", _split(_pattern_of(contract.Departure)), "Accepted times."),
        ("PROBLEM_TYPE", repr(PROBLEM_TYPE), "Prefix of the service's problem types."),
    ]
    lines = _head("Limits, names and conventions of the service.")
    for name, value, words in constants:
        lines += [f"{name} = {value}", f'"""{words}"""', ""]
    return "\n".join(lines)


def _pattern_of(annotation: Any) -> str:
    return str(TypeAdapter(annotation).json_schema()["pattern"])


def _split(pattern: str) -> str:
    """Return the source of a raw string, split into parts that fit on a line."""
    parts = [pattern[start : start + 80] for start in range(0, len(pattern), 80)]
    return "(" + "\n".join(f'r"{part}"' for part in parts) + ")"


# --- models -------------------------------------------------------------------------------------


def _models() -> str:
    schemas: dict[str, Schema] = json.loads(openapi_document())["components"]["schemas"]
    sent = _reached("PredictionRequest", schemas)
    lines = [
        *_head("Requests and answers of the service."),
        "from datetime import datetime",
        "from typing import Annotated, Literal",
        "",
        "from pydantic import BaseModel, ConfigDict, Field, PlainValidator, StringConstraints",
        "",
        "from scl_delay._transport.times import departure_text",
        "",
        *(f"{name} = {_constrained(getattr(contract, name))}" for name in _ALIASES),
        "Departure = Annotated[str | datetime, PlainValidator(departure_text)]",
        '"""ISO 8601 text, or a `datetime`; stored as text."""',
        "",
        "class _Sent(BaseModel):",
        '    model_config = ConfigDict(extra="forbid", frozen=True)',
        "",
        "class _Answered(BaseModel):",
        '    model_config = ConfigDict(extra="ignore", frozen=True)',
    ]
    for name in _dependencies_first(schemas):
        lines += _model(name, schemas[name], "_Sent" if name in sent else "_Answered")
    return "\n".join(lines)


def _constrained(annotation: Any) -> str:
    return f'Annotated[str, StringConstraints(pattern=r"{_pattern_of(annotation)}")]'


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"].rpartition("/")[2]
        for part in schema.values():
            yield from _references(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _references(part)


def _reached(name: str, schemas: dict[str, Schema]) -> set[str]:
    found = {name}
    for other in _references(schemas[name]):
        found |= _reached(other, schemas)
    return found


def _dependencies_first(schemas: dict[str, Schema]) -> list[str]:
    ordered: dict[str, None] = {}

    def visit(name: str) -> None:
        for other in _references(schemas[name]):
            visit(other)
        ordered[name] = None

    for name in schemas:
        visit(name)
    return list(ordered)


def _model(name: str, schema: Schema, base: str) -> Iterator[str]:
    yield from ("", f"class {name}({base}):", f'    """{schema.get("description", name)}"""', "")
    required = schema.get("required", [])
    for field, described in schema["properties"].items():
        yield f"    {field}: {_type(described)}{_value(described, required=field in required)}"
        if "description" in described:
            yield from _docstring(described["description"])


def _docstring(words: str) -> list[str]:
    lines = textwrap.wrap(f'"""{words}', WIDTH - 4 - 3)
    if len(lines) > 1:
        return [f"    {line}" for line in [*lines, '"""']]
    return [f'    {lines[0]}"""']


def _type(schema: Schema) -> str:
    if "anyOf" in schema:
        return " | ".join(_type(part) for part in schema["anyOf"])
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "enum" in schema or "const" in schema:
        values = schema.get("enum") or [schema["const"]]
        return f"Literal[{', '.join(map(json.dumps, values))}]"
    if "pattern" in schema:
        return _alias(schema["pattern"])
    if schema["type"] == "array":
        return f"list[{_type(schema['items'])}]"
    return "None" if schema["type"] == "null" else _PLAIN[schema["type"]]


def _alias(pattern: str) -> str:
    names = (*_ALIASES, "Departure")
    return next(name for name in names if _pattern_of(getattr(contract, name)) == pattern)


def _value(schema: Schema, *, required: bool) -> str:
    """Return the right-hand side of a field: its default and its bounds."""
    bounds = [f"{python}={bound}" for python, bound in _bounds(schema)]
    default = repr(schema.get("default"))
    if not bounds:
        return "" if required else f" = {default}"
    return f" = Field({', '.join(bounds if required else [f'default={default}', *bounds])})"


def _bounds(schema: Schema) -> Iterator[tuple[str, Any]]:
    for part in (schema, *schema.get("anyOf", ())):
        for key, python in _BOUNDS.items():
            if key in part:
                yield python, part[key]


# --- problems -----------------------------------------------------------------------------------


def _problems() -> str:
    kinds = sorted(problem_classes(), key=lambda kind: (kind.status, kind.__name__))
    lines = _head("Exceptions of the client, one for each problem type of the service.")
    lines += ["from scl_delay.errors import ProblemError", ""]
    for kind in kinds:
        summary = (kind.__doc__ or "").strip().removesuffix(".")
        lines += [
            f"class {exception_name(kind)}(ProblemError):",
            f'    """{summary} ({kind.status})."""',
            "",
            f'    kind = "{kind.kind}"',
            "",
        ]
    names = sorted(map(exception_name, kinds))
    lines += [
        f"__all__ = {names!r}",
        "",
        "PROBLEMS: dict[str, type[ProblemError]] = {",
        f"    each.kind: each for each in ({', '.join(names)},)",
        "}",
        '"""Exception of each problem type, by the last part of the type."""',
    ]
    return "\n".join(lines)


def exception_name(kind: type[ProblemError]) -> str:
    """Return the client's exception for a problem: made from its public type, not its class."""
    return f"{kind.kind.title().replace('-', '')}Error"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
