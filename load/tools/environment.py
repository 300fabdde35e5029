"""Describe a measurement: date, command, machine, versions and model."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from load.tools import wrk
from model.inference.predictor import Predictor

PACKAGES = ("bentoml", "uvicorn", "uvloop", "httptools", "pydantic", "numpy", "lightgbm")


def header(
    module: str,
    tag: str = "",
    predictor: Predictor | None = None,
    packages: Sequence[str] = PACKAGES,
) -> dict[str, Any]:
    """Return date, command, machine and versions, and the model where there is one.

    Call it before the measurement, because it contains the load average.

    Parameters
    ----------
    module
        Module of the scenario, as in ``python -m MODULE``.
    """
    found: dict[str, Any] = {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["python", "-m", module, *sys.argv[1:]]),
        "machine": facts(),
        "versions": versions(packages),
    }
    with suppress(wrk.WrkError):  # a scenario without wrk runs where it is not installed
        found["versions"]["wrk"] = wrk.version()
    if predictor:
        booster = predictor.booster
        found["model"] = {"tag": tag, "trees": booster.trees, "features": booster.features}
    return found


def facts() -> dict[str, Any]:
    """Return cores, processor, memory, kernel and the load average of the last minute."""
    return {
        "cores": os.cpu_count(),
        "processor": _field("/proc/cpuinfo", "model name"),
        "memory_gb": round(int(_field("/proc/meminfo", "MemTotal", "0").split()[0]) / 2**20, 1),
        "kernel": platform.release(),
        "load_average": round(os.getloadavg()[0], 2),
    }


def versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Return the version of Python and of each package that is installed."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _field(path: str, name: str, otherwise: str = "unknown") -> str:
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return otherwise
