"""Private and undocumented attributes of other packages that the project uses.

An upgrade that removes one of them fails here, with one sentence per attribute.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module, resources
from typing import Any

import circus.arbiter  # type: ignore[import-untyped] # circus has no types
import circus.watcher  # type: ignore[import-untyped] # circus has no types
import pytest
import uvicorn
from bentoml import Service
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml_cli.serve import build_serve_command
from prometheus_client import CollectorRegistry, Counter, Histogram
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.server import ServerState

from model.inference import booster
from tests.support.server import PROJECT

README = PROJECT / "serving" / "http" / "README.md"
PROTOCOL = (
    "connection_made connection_lost data_received eof_received pause_writing resume_writing"
    " shutdown on_message_begin on_url on_header on_headers_complete on_body"
    " on_message_complete on_response_complete _start_asgi_task config loop parser transport"
    " flow pipeline headers url expect_100_continue cycle server_state"
)
C_API = (
    "LGBM_GetLastError LGBM_BoosterLoadModelFromString LGBM_BoosterGetNumFeature LGBM_BoosterFree"
    " LGBM_FastConfigFree LGBM_BoosterPredictForMat LGBM_BoosterPredictForMatSingleRowFast"
    " LGBM_BoosterPredictForMatSingleRowFastInit"
)


async def _application(_scope: Any, _receive: Any, _send: Any) -> None:
    raise AssertionError


@cache
def _config() -> uvicorn.Config:
    config = uvicorn.Config(_application, lifespan="off", log_config=None)
    config.load()
    return config


def _protocol() -> httptools_impl.HttpToolsProtocol:
    loop = asyncio.new_event_loop()
    try:
        protocol = httptools_impl.HttpToolsProtocol(_config(), ServerState(), {}, loop)
        protocol.on_message_begin()
        return protocol
    finally:
        loop.close()


def _cycle() -> httptools_impl.RequestResponseCycle:
    names = inspect.signature(httptools_impl.RequestResponseCycle).parameters
    return httptools_impl.RequestResponseCycle(**dict.fromkeys(names))  # type: ignore[arg-type] # unused


def _serve_options() -> Any:
    """Return an object with the options of `bentoml serve` as its attributes."""
    command = build_serve_command().commands["serve"]
    return type("Options", (), {each.name: each for each in command.params})


def _metric(kind: type[Counter | Histogram], *labels: str) -> Any:
    return kind("name", "help", labels, registry=CollectorRegistry())


PRIVATE: list[tuple[str, Callable[[], Any], str, str]] = [
    (
        "uvicorn HttpToolsProtocol", _protocol, "serving/http/protocol.py",
        PROTOCOL,
    ),
    (
        "uvicorn RequestResponseCycle", _cycle, "serving/http/protocol.py",
        "response_complete disconnected message_event keep_alive",
    ),
    (
        "uvicorn FlowControl", lambda: FlowControl(None), "serving/http/protocol.py",  # type: ignore[arg-type] # unused
        "write_paused read_paused resume_reading",
    ),
    ("uvicorn httptools_impl", lambda: httptools_impl, "serving/http/responses.py", "STATUS_LINE"),
    ("uvicorn ServerState", ServerState, "serving/http", "default_headers total_requests"),
    (
        "uvicorn Server", lambda: uvicorn.Server(_config()), "serving/http/server.py",
        "startup shutdown server_state should_exit config",
    ),
    (
        "uvicorn Config", _config, "serving/http/server.py",
        "http_protocol_class timeout_graceful_shutdown backlog ssl",
    ),
    (
        "uvicorn lifespan", lambda: _config().lifespan_class(_config()),
        "serving/http/server.py", "state",
    ),
    ("uvicorn.config", lambda: uvicorn.config, "serving/http/server.py", "HTTP_PROTOCOLS"),
    ("BentoML Service", lambda: Service, "serving/bento/service_class.py", "__call__ to_asgi"),
    (
        "BentoML BentoMLContainer", lambda: BentoMLContainer,
        "serving/bento/startup.py and serving/models/store.py", "http model_store",
    ),
    (
        "BentoML BentoMLContainer.http", lambda: BentoMLContainer.http,
        "serving/bento/startup.py", "host port",
    ),
    (
        "BentoML model store", BentoMLContainer.model_store.get,
        "serving/models/store.py", "_path",
    ),
    (
        "bentoml._internal.models.model", lambda: import_module("bentoml._internal.models.model"),
        "serving/models/store.py", "ModelSignature",
    ),
    (
        "bentoml.serving", lambda: import_module("bentoml.serving"),
        "serving/metrics_folder.py", "ensure_prometheus_dir",
    ),
    (
        "_bentoml_impl.worker.service", lambda: import_module("_bentoml_impl.worker.service"),
        "serving/bento/entrypoint.py", "main",
    ),
    (
        "bentoml serve", _serve_options, "serving/bento/startup.py",
        "host port timeout_graceful_shutdown",
    ),
    ("circus Watcher", lambda: circus.watcher.Watcher, "serving/bento/supervision.py", "_stop"),
    (
        "circus Watcher", lambda: circus.watcher.Watcher("x", "x"), "serving/bento/supervision.py",
        "arbiter sockets graceful_timeout",
    ),
    (
        "circus Arbiter", lambda: circus.arbiter.Arbiter([], "tcp://x:1", "tcp://x:2"),
        "serving/bento/supervision.py", "_stopping",
    ),
    (
        "prometheus_client Histogram", lambda: _metric(Histogram), "serving/metrics.py",
        "_upper_bounds _buckets _sum",
    ),
    (
        "prometheus_client Counter", lambda: _metric(Counter, "label"), "serving/metrics.py",
        "_metrics",
    ),
    (
        "LightGBM's C API", booster._library, "model/inference/booster.py",
        C_API,
    ),
]  # fmt: skip
"""Owner, how to get it, where it is used, and names of its attributes."""


@pytest.mark.parametrize(
    ("owner", "get", "used_in", "names"),
    PRIVATE,
    ids=[f"{owner}-{names.split()[0]}" for owner, _, _, names in PRIVATE],
)
def test_private_attributes_are_present(
    owner: str, get: Callable[[], Any], used_in: str, names: str
) -> None:
    """Each private attribute that the project uses exists in the installed version."""
    found = get()
    missing = [name for name in names.split() if not hasattr(found, name)]
    assert not missing, f"{owner} has no {', '.join(missing)} any more: change {used_in}."


def test_shipped_files_are_present() -> None:
    """BentoML ships the files of Swagger UI that `serving.page` serves."""
    folder = resources.files("bentoml._internal.server") / "static_content"
    for name in ("swagger-ui-bundle.js", "swagger-ui.css"):
        assert (folder / name).is_file(), f"BentoML has no {name} any more: change serving/page."


def test_bentoml_starts_uvicorn_by_the_names_that_are_replaced() -> None:
    """BentoML's worker looks up `uvicorn.Server` and leaves the protocol to uvicorn ("auto")."""
    source = inspect.getsource(import_module("_bentoml_impl.worker.service"))
    message = "BentoML starts uvicorn in another way: change serving/http/server.py:install."
    assert "uvicorn.Server(config).run(sockets=[socket])" in source, message
    assert not re.search(r"\bhttp=", source), message
    assert uvicorn.config.HTTP_PROTOCOLS["auto"], message


def test_the_readme_names_what_is_used_of_uvicorn() -> None:
    """The table in serving/http/README.md lists each attribute of uvicorn that is used."""
    text = README.read_text()
    names = {name for owner, _, _, names in PRIVATE if "uvicorn" in owner for name in names.split()}
    names -= {"state"}  # of what `lifespan` is
    assert [name for name in sorted(names) if f"{name}`" not in text] == []


def test_every_private_import_is_listed() -> None:
    """No module of the project imports a private module of another package that is not listed."""
    listed = " ".join(f"{owner} {used_in}" for owner, _, used_in, _ in PRIVATE)
    unlisted = [f"{path}: {module}" for path, module in _private_imports() if path not in listed]
    assert unlisted == []


def _private_imports() -> Iterator[tuple[str, str]]:
    """Yield path and module of each import of another package's private module."""
    own = (
        "scl_delay",
        "serving",
        "model",
        "data",
        "features",
        "score",
        "monitor",
        "load",
        "deploy",
    )
    for path in (each for folder in own for each in sorted((PROJECT / folder).rglob("*.py"))):
        for node in ast.walk(ast.parse(path.read_text())):
            module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            if re.search(r"(^|\.)_[a-z]", module) and not module.startswith(own):
                yield str(path.relative_to(PROJECT)), module


def test_all_functions_of_the_c_api_are_listed() -> None:
    """Each function of LightGBM's C API that the Booster calls stands in the list."""
    source = inspect.getsource(booster)
    listed = {name for *_, names in PRIVATE for name in names.split()}
    assert set(re.findall(r"LGBM_\w+", source)) <= listed
