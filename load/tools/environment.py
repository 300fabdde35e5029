"""What a measurement was made on: without these facts its figures say nothing."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from load.tools import wrk
from model.inference.predictor import Predictor

PACKAGES = ("bentoml", "uvicorn", "uvloop", "httptools", "pydantic", "numpy", "lightgbm")


def header(
    module: str, tag: str, predictor: Predictor, packages: Sequence[str] = PACKAGES
) -> dict[str, Any]:
    """Return what every measurement begins with: when, how, where, with what, of which model.

    To be called before it, because of how busy the machine is.

    Parameters
    ----------
    module
        What was run, as in ``python -m MODULE``.
    """
    booster = predictor.booster
    return {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["python", "-m", module, *sys.argv[1:]]),
        "machine": facts(),
        "versions": {**versions(packages), "wrk": wrk.version()},
        "model": {"tag": tag, "trees": booster.trees, "features": booster.features},
    }


def facts() -> dict[str, Any]:
    """Return cores, processor, memory, kernel and how busy the machine was before."""
    return {
        "cores": os.cpu_count(),
        "processor": _field("/proc/cpuinfo", "model name"),
        "memory_gb": round(int(_field("/proc/meminfo", "MemTotal", "0").split()[0]) / 2**20, 1),
        "kernel": platform.release(),
        "load_average": round(os.getloadavg()[0], 2),
    }


def versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Return Python's version, and that of each package that is installed."""
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
